# SPDX-License-Identifier: Apache-2.0
"""How many guests this machine can have at once without one waiting for another's memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Beside a guest's memory at boot: the DIMMs that scenarios plug (512 MiB, seldom 1024), QEMU with
# its translated code, and the worker's own Python. MiB.
_BESIDE_MIB = 1024 + 384
_CGROUPS = Path("/sys/fs/cgroup")


def worker_mib(boot_mib: int) -> int:
    """What a worker takes with a guest that boots with `boot_mib` MiB."""
    return boot_mib + _BESIDE_MIB


def workers_that_fit(cores: int, free_mib: int, each_mib: int) -> int:
    """One worker for each core, and no more than find memory; at least one.

    A guest has two vCPUs, but of the two one is idle most of the time, and so is the worker:
    bench/workers.py measures what a second worker on two cores is worth.
    """
    return max(1, min(cores, free_mib // each_mib))


def cores() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


def free_mib() -> int:
    """Memory that can be had without swapping, within the limits of this process's cgroups."""
    told = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    available = int(told["MemAvailable"].split()[0]) >> 10
    return min((available, *left_in_cgroups(Path("/proc/self/cgroup").read_text(), _CGROUPS)))


def left_in_cgroups(own: str, mounted: Path) -> Iterator[int]:
    """MiB left in each cgroup that has a limit, from this process's own upwards.

    `own` is the text of /proc/self/cgroup; `mounted` is where cgroups are mounted.
    """
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, limit, usage = mounted, "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            root = mounted / "memory"
            limit, usage = "memory.limit_in_bytes", "memory.usage_in_bytes"
        else:
            continue
        folder = root / path.lstrip("/")
        for group in (folder, *folder.parents):
            if group == mounted.parent:
                break
            left = _left(group / limit, group / usage)
            if left is not None:
                yield left


def _left(limit: Path, usage: Path) -> int | None:
    try:
        most, used = limit.read_text().strip(), int(usage.read_text())
    except (OSError, ValueError):
        return None
    return None if most == "max" else max(0, int(most) - used) >> 20
