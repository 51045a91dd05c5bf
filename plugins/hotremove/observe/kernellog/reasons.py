# SPDX-License-Identifier: Apache-2.0
"""Why memory could not be offlined, in the kernel's words."""

from __future__ import annotations

import re

# mm/memory_hotplug.c, offline_pages(); a debug message in all versions.
_REASON = re.compile(r"memory offlining \[mem .*\] failed due to (.*)")


def parse_reasons(log: str) -> tuple[str, ...]:
    """The reasons in a kernel's log, one for each time that offlining failed, in order."""
    return tuple(_REASON.findall(log))
