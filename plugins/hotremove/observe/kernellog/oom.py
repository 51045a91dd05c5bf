# SPDX-License-Identifier: Apache-2.0
"""Whom the OOM killer killed (mm/oom_kill.c, __oom_kill_process())."""

from __future__ import annotations

import re

# With a cgroup's limit it begins with `Memory cgroup out of memory`.
_KILLED = re.compile(r"out of memory.*?: Killed process (\d+) ", re.IGNORECASE)


def is_killed_for_memory(log: str, pid: int) -> bool:
    """Whether the kernel's log says that it killed that process for want of memory."""
    return any(int(found) == pid for found in _KILLED.findall(log))
