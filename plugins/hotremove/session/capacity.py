# SPDX-License-Identifier: Apache-2.0
"""How many guests this machine can have at once without one waiting for another's memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# Beside a guest's memory at boot: the DIMMs that scenarios plug (512 MiB, seldom 1024 or more);
# QEMU with its translated code, the worker's own Python, and the next test's guest, which is
# stopped and has 70 MiB of its own.
_DIMMS_MIB = 1024
_BESIDE_MIB = 456
# A guest of the topology `gigabytes` beside what is pinned: its kernel's struct pages, and QEMU.
_GIGABYTES_BESIDE_MIB = 2048
_CGROUPS = Path("/sys/fs/cgroup")
# Limit and usage, of either kind of cgroup.
_MEMORY_FILES = (
    ("memory.max", "memory.current"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes"),
)


def worker_mib(boot_mib: int, dimms_mib: int = 0) -> int:
    """What a worker takes with a guest that boots with `boot_mib` MiB.

    `dimms_mib` is what is plugged, where that is known to be more than the usual.
    """
    return boot_mib + max(dimms_mib, _DIMMS_MIB) + _BESIDE_MIB


def portion_mib(topology: str) -> int:
    """What a worker is reckoned at, MiB: with a guest of the run's usual topology."""
    from hotremove.virt.topology import load_topology

    return worker_mib(load_topology(topology).boot_mib)


def workers_that_fit(cores: int, free_mib: int, each_mib: int) -> int:
    """Three workers for two cores, and no more than find memory; at least one.

    A guest has two vCPUs, but of the two one is idle most of the time, and so is the worker; and
    some tests wait for what is not to come: bench/workers.py measures what a worker more is worth.
    """
    return max(1, min(cores + cores // 2, free_mib // each_mib))


def cores() -> int:
    """CPUs that this process may use, within the quotas of its cgroups."""
    quotas = cores_of_cgroups(Path("/proc/self/cgroup").read_text(), _CGROUPS)
    return max(1, min((len(os.sched_getaffinity(0)), *quotas)))


def free_mib() -> int:
    """Memory that can be had without swapping, within the limits of this process's cgroups."""
    told = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    available = int(told["MemAvailable"].split()[0]) >> 10
    return min((available, *left_in_cgroups(Path("/proc/self/cgroup").read_text(), _CGROUPS)))


def pinnable_mib(free_mib: int) -> int:
    """How much memory a large pin is made of, MiB: of 16 GiB and less, as much as finds room.

    A page that is moved takes the host's memory twice, and an eighth as much is pinned before.
    """
    sizes = (16384, 8192, 4096, 2048)
    left = free_mib - _GIGABYTES_BESIDE_MIB
    return next((mib for mib in sizes if 2 * (mib + mib // 8) <= left), 1024)


def left_in_cgroups(own: str, mounted: Path) -> Iterator[int]:
    """MiB left in each cgroup that has a limit, from this process's own upwards.

    `own` is the text of /proc/self/cgroup; `mounted` is where cgroups are mounted.
    """
    for folder in _groups(own, mounted, "memory"):
        for limit, usage in _MEMORY_FILES:
            left = _left(folder / limit, folder / usage)
            if left is not None:
                yield left


def cores_of_cgroups(own: str, mounted: Path) -> Iterator[int]:
    """Whole CPUs' time that each cgroup with a quota may take; arguments as `left_in_cgroups`."""
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
