# SPDX-License-Identifier: Apache-2.0
"""How the threads of a guest's vCPUs share the host's cores, under TCG.

A vCPU that waits for another spins, in the guest's kernel and for QEMU's lock. Where all cores are
busy, that goes wrong in two ways:

- The guest's kernel wakes a task on the other vCPU with a lock held that the other needs at once.
  If the woken vCPU takes the core from the one that woke it, it spins for a whole turn. So vCPUs
  that are woken wait for their turn, by SCHED_BATCH.
- The guest's kernel interrupts the other vCPU and waits for it, thousands of times: for each page
  that is migrated, for each patched instruction of a module. With turns, each time takes a turn,
  and seconds in all. So when a guest has been silent for a while, its vCPUs get cores of their own
  and take turns no more.

The second is not done from the start: of two guests that are busy with one vCPU each, one would
often wait for the other's core while another has nothing to do.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress


def take_turns(threads: Iterable[int]) -> None:
    """Let threads that are woken wait until the one that has the core is done with its turn."""
    for thread in threads:
        _schedule(thread, os.SCHED_BATCH)


def spread(threads: Sequence[int]) -> None:
    """Give each thread cores of its own, if there are enough, which it takes when it is woken."""
    cores = shares(sorted(os.sched_getaffinity(0)), len(threads))
    for thread, share in zip(threads, cores, strict=False):
        _schedule(thread, os.SCHED_OTHER)
        with suppress(OSError):  # the guest has ended, or the host forbids it
            os.sched_setaffinity(thread, share)


def shares(cores: Sequence[int], parts: int) -> tuple[tuple[int, ...], ...]:
    """The cores of each part: none in common, and all of them used. None if they are too few."""
    if len(cores) < parts:
        return ()
    return tuple(tuple(cores[first::parts]) for first in range(parts))


def _schedule(thread: int, policy: int) -> None:
    with suppress(OSError):  # the guest has ended, or the host forbids it
        os.sched_setscheduler(thread, policy, os.sched_param(0))
