# SPDX-License-Identifier: Apache-2.0
"""Dumped pages for other programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from hotremove.observe.pagedump.refcount import split_refcount
from hotremove.observe.pagedump.repeats import DumpedPage


def page_facts(page: DumpedPage) -> dict[str, Any]:
    """What is known of a dumped page, as JSON has it; docs/logs.md explains the keys."""
    return {
        "pfn": page.dump.pfn,
        "cause": asdict(page.cause),
        "times": page.times,
        "first": page.first,
        "last": page.last,
        "refused": page.refused or None,
        "explanation": page.explanation,
        "references": asdict(split_refcount(page.dump)),
        "dump": asdict(page.dump),
    }
