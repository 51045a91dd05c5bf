# SPDX-License-Identifier: Apache-2.0
"""How many guests this machine can have at once without one waiting for another's memory."""

from __future__ import annotations

# Beside a guest's memory at boot: the DIMMs that scenarios plug (512 MiB, seldom 1024 or more);
# QEMU with its translated code, the worker's own Python, and the next test's guest, which is
# stopped and has 70 MiB of its own.
_DIMMS_MIB = 1024
_BESIDE_MIB = 456
# A guest of the topology `gigabytes` beside what is pinned: its kernel's struct pages, and QEMU.
_GIGABYTES_BESIDE_MIB = 2048


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


def pinnable_mib(free_mib: int) -> int:
    """How much memory a large pin is made of, MiB: of 16 GiB and less, as much as finds room.

    A page that is moved takes the host's memory twice, and an eighth as much is pinned before.
    """
    sizes = (16384, 8192, 4096, 2048)
    left = free_mib - _GIGABYTES_BESIDE_MIB
    return next((mib for mib in sizes if 2 * (mib + mib // 8) <= left), 1024)
