# SPDX-License-Identifier: Apache-2.0
"""The fragments of a kernel's configuration that the farm brings."""

from __future__ import annotations

import re
from pathlib import Path

from hotremove.kernels.capabilities import OPTIONS
from hotremove.selftests.suite import SUITES

FRAGMENTS = Path(__file__).parents[2] / "guests" / "kconfig"
# What no fragment has to ask for: others select it, or a fault by kprobes does without.
IMPLIED = {
    *("ARCH_HAS_CPU_CACHE_INVALIDATE_MEMREGION", "HAVE_ARCH_USERFAULTFD_WP"),
    *("EVENT_TRACING", "TRACING", "LIVEPATCH"),
}


def asked_for(fragment: str) -> set[str]:
    text = (FRAGMENTS / f"{fragment}.config").read_text("utf-8")
    return set(re.findall(r"^CONFIG_(\w+)=[ym]\b", text, re.MULTILINE))


def test_all_has_what_any_row_can_use():
    rows = {option.name for option in OPTIONS if option.name.isupper()}
    tests = {one.option for suite in SUITES.values() for one in suite.programs if one.option}
    assert tests
    assert rows | tests <= asked_for("hotremove") | asked_for("all") | IMPLIED


def test_all_has_what_single_rows_ask_for():
    assert asked_for("kinds") <= asked_for("hotremove") | asked_for("all")
