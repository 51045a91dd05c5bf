# SPDX-License-Identifier: Apache-2.0
"""Which of the host's cores each vCPU of a guest runs on.

Under TCG a vCPU is a thread like any. One that waits for another, with a lock or an interrupt
between them, spins; where both were put on one core, as happens when all cores are busy, the other
gets nothing done until the host takes the core from the spinning one, and again for each such wait:
guests took twice the processor time, and some commands seconds instead of milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence


def shares(cores: Sequence[int], vcpus: int) -> tuple[tuple[int, ...], ...]:
    """The cores of each vCPU: none in common, and all of them used. None if they are too few."""
    if len(cores) < vcpus:
        return ()
    return tuple(tuple(cores[first::vcpus]) for first in range(vcpus))
