# SPDX-License-Identifier: Apache-2.0
"""What guests of one architecture cost against those of another.

    PYTHONPATH=plugins python bench/architectures.py [--kernel SPEC] [--against SPEC] [-n RUNS]

In turn, so that a noisy machine disturbs both sides alike, each by TCG and through libvirt:
- a boot, until the guest's agent has answered;
- a restore of a saved guest, likewise.
Figures are processor seconds from before its start to after its end, of QEMU and of what started
it. 1 when the median of one kernel is more than LIMIT times that of the other.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Callable
from functools import partial

from restore import cost_of

from hotremove.guest.local import LocalGuests
from hotremove.guest.machine import Guest
from hotremove.session.farm import Farm
from hotremove.session.options import Options

LIMIT = 1.3
Pairs = list[tuple[float, ...]]


def costs(guests: LocalGuests, makes: list[Callable[[], Guest]], runs: int) -> Pairs:
    """Processor seconds of a guest that is made in each way, in turn."""
    for make in makes:
        cost_of(guests, make)  # the first makes what there is not yet
    return [tuple(cost_of(guests, make).processor for make in makes) for _ in range(runs)]


def compare(what: str, pairs: Pairs) -> bool:
    """Print the medians of both; whether the ratio is within the limit."""
    mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    good = mine <= LIMIT * theirs
    print(
        f"{what}: {mine:.2f} processor seconds against {theirs:.2f}, ratio {mine / theirs:.2f} "
        f"({'within' if good else 'OVER'} {LIMIT}), medians of {len(pairs)}"
    )
    return good


def main() -> int:
    """Measure; 1 when a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kernel", default="debian:trixie@arm64")
    parser.add_argument("--against", default="debian:trixie")
    parser.add_argument("-n", "--runs", type=int, default=10)
    words = parser.parse_args()
    print(f"{words.kernel} against {words.against}, load {os.getloadavg()[0]:.1f}")
    kernels = (words.kernel, words.against)
    farm = Farm(Options(kernels, "movable-node", "tcg", None, None, 30.0, False))
    try:
        guests = farm.guest_source
        plans = [farm.plan(kernel) for kernel in farm.kernels]
        good = [
            compare(what, costs(guests, [partial(make, plan) for plan in plans], words.runs))
            for what, make in (("boot", guests.boot), ("restore", guests.fresh))
        ]
    finally:
        farm.close()
    return 0 if all(good) else 1


if __name__ == "__main__":
    raise SystemExit(main())
