# SPDX-License-Identifier: Apache-2.0
"""What this process may have of the machine: processors and memory, within its cgroups' limits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
# Limit and usage, of either kind of cgroup.
_MEMORY_FILES = (
    ("memory.max", "memory.current"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes"),
)


def cores() -> int:
    """CPUs that this process may use, within the quotas of its cgroups."""
    quotas = cores_of(Path("/proc/self/cgroup").read_text(), _CGROUPS)
    return max(1, min((len(os.sched_getaffinity(0)), *quotas)))


def free_mib() -> int:
    """Memory that can be had without swapping, within the limits of this process's cgroups."""
    told = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    available = int(told["MemAvailable"].split()[0]) >> 10
    return min((available, *left_in(Path("/proc/self/cgroup").read_text(), _CGROUPS)))


def left_in(own: str, mounted: Path) -> Iterator[int]:
    """MiB left in each cgroup that has a limit, from this process's own upwards.

    `own` is the text of /proc/self/cgroup; `mounted` is where cgroups are mounted.
    """
    for folder in _groups(own, mounted, "memory"):
        for limit, usage in _MEMORY_FILES:
            left = _left(folder / limit, folder / usage)
            if left is not None:
                yield left


def cores_of(own: str, mounted: Path) -> Iterator[int]:
    """Whole CPUs' time that each cgroup with a quota may take; arguments as `left_in`."""
    for folder in _groups(own, mounted, "cpu"):
        with suppress(OSError, ValueError):  # no quota: a file less, or no number
            quota, period = map(int, _quota(folder))
            if quota > 0:
                yield quota // period


def _groups(own: str, mounted: Path, controller: str) -> Iterator[Path]:
    """Folders of the cgroups, from this process's own upwards, that a controller limits."""
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root = mounted
        elif controller in controllers.split(","):
            root = mounted / controller
        else:
            continue
        folder = root / path.lstrip("/")
        yield from (group for group in (folder, *folder.parents) if group.is_relative_to(root))


def _quota(folder: Path) -> tuple[str, str]:
    """Microseconds of CPU time, and in how many they may be used; by either kind of cgroup."""
    if (folder / "cpu.max").exists():
        quota, period = (folder / "cpu.max").read_text().split()
        return quota, period
    files = (folder / name for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
    quota, period = (file.read_text() for file in files)
    return quota, period


def _left(limit: Path, usage: Path) -> int | None:
    try:
        most, used = limit.read_text().strip(), int(usage.read_text())
    except (OSError, ValueError):
        return None
    return None if most == "max" else max(0, int(most) - used) >> 20
