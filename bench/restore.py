# SPDX-License-Identifier: Apache-2.0
"""How long a restored guest takes to answer, against bare QEMU, and what it costs.

    PYTHONPATH=plugins python bench/restore.py [--kernel SPEC] [-n RUNS]

In turn, so that a noisy machine disturbs both sides alike:
- farm: a fresh guest from the cache, through libvirt, until its agent has answered and its clock
  and random pool are its own;
- bare: QEMU with `-incoming` of the same machine's state, saved by QMP alone, until the agent
  answers.
Processor seconds are those from before its start to after its end, of QEMU and of what started it;
memory is what a guest does not share with others (private pages) once it has answered. A restore
that fails ends the benchmark with an error. 1 when the farm takes more than GOAL times as long.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from bare_qemu import Bare

from hotremove.guest.local import LocalGuests
from hotremove.guest.machine import Guest
from hotremove.guest.plan import GuestPlan
from hotremove.session.farm import Farm
from hotremove.session.options import Options

GOAL = 1.2
MIB = 1 << 20


@dataclass(frozen=True)
class Cost:
    """One guest: seconds until it answered, processor seconds from start to end, MiB of its own."""

    seconds: float
    processor: float
    mib: float


def main() -> int:
    """Measure; 1 when the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kernel", default="debian:bookworm")
    parser.add_argument("-n", "--runs", type=int, default=100)
    words = parser.parse_args()
    farm = Farm(Options((words.kernel,), "movable-node", "tcg", None, None, 30.0, False))
    plan = farm.plan(farm.kernels[0])
    print(f"kernel {plan.image.kernel.version}, load {os.getloadavg()[0]:.1f}")
    try:
        with tempfile.TemporaryDirectory(prefix="restore-") as folder:
            return compare(farm.guest_source, plan, Path(folder) / "state", words.runs)
    finally:
        farm.close()


def compare(guests: LocalGuests, plan: GuestPlan, state: Path, runs: int) -> int:
    """Restore `runs` times on both sides and print what it took."""
    farm_restore(guests, plan)  # makes the snapshot if there is none
    with Bare(*plan_words(plan)) as guest:
        guest.save(state)
    print(f"saved: bare {state.stat().st_size / MIB:.0f} MiB")
    by_farm, by_hand = [], []
    for _ in range(runs):
        by_farm.append(farm_restore(guests, plan))
        by_hand.append(bare_restore(plan, state))
    ours, theirs = tell("farm", by_farm), tell("bare", by_hand)
    ratio = statistics.median(
        one.seconds / other.seconds for one, other in zip(by_farm, by_hand, strict=True)
    )
    print(
        f"ratio of the medians {ours.seconds / theirs.seconds:.2f}, "
        f"of processor seconds {ours.processor / theirs.processor:.2f}, "
        f"median of the ratios {ratio:.2f}; {runs} restores of {runs} answered"
    )
    return int(ratio > GOAL)


def plan_words(plan: GuestPlan) -> tuple[str, str, str]:
    """What bare QEMU boots."""
    return str(plan.boot.kernel), str(plan.boot.initramfs), plan.boot.cmdline


def farm_restore(guests: LocalGuests, plan: GuestPlan) -> Cost:
    """A guest of the farm."""
    return cost_of(guests, lambda: guests.fresh(plan))


def cost_of(guests: LocalGuests, make: Callable[[], Guest]) -> Cost:
    """A guest that is made and ended."""
    start, used = time.perf_counter(), processor_seconds()
    guest = make()
    seconds = time.perf_counter() - start
    memory = private(guest.process.pid) if guest.process else 0.0
    guests.release(guest)
    guests.pool.finish_destroys()
    return Cost(seconds, processor_seconds() - used, memory)


def bare_restore(plan: GuestPlan, state: Path) -> Cost:
    """The same with QEMU alone."""
    start, used = time.perf_counter(), processor_seconds()
    with Bare(*plan_words(plan), "-incoming", f"exec:cat {state}") as guest:
        seconds, memory = time.perf_counter() - start, private(guest.pid)
    return Cost(seconds, processor_seconds() - used, memory)


def processor_seconds() -> float:
    """What this process and the ended ones that it has started have used."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def private(pid: int) -> float:
    """Memory that a process shares with no other, in MiB; pages of files that it maps are not."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty:")) / 1024


def tell(side: str, measured: Sequence[Cost]) -> Cost:
    """Print a side's figures and give its medians."""
    times = sorted(cost.seconds for cost in measured)
    median = Cost(
        *(statistics.median(column) for column in zip(*map(astuple, measured), strict=True))
    )
    print(
        f"{side}: median {median.seconds:.3f} s, fastest {times[0]:.3f} s, "
        f"95th percentile {times[int(len(times) * 0.95)]:.3f} s, "
        f"{median.processor:.3f} processor seconds, {median.mib:.0f} MiB"
    )
    return median


if __name__ == "__main__":
    raise SystemExit(main())
