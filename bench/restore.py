# SPDX-License-Identifier: Apache-2.0
"""How long a restored guest takes to answer, against bare QEMU, and what memory it costs.

    PYTHONPATH=plugins python bench/restore.py [--kernel SPEC] [-n RUNS]

In turn, so that a noisy machine disturbs both sides alike:
- farm: a fresh guest from the cache, through libvirt, until its agent has answered and its clock
  and random pool are its own;
- bare: QEMU with `-incoming` of the same machine's state, saved by QMP alone, until the agent
  answers.
A restore that fails ends the benchmark with an error. 1 when the farm's median is over the goal.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bare_qemu import Bare

from hotremove.guest.local import LocalGuests
from hotremove.guest.plan import GuestPlan
from hotremove.session.farm import Farm
from hotremove.session.options import Options

GOAL = 0.6  # seconds, median
MIB = 1 << 20


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
    print(f"ratio of the medians {ours / theirs:.2f}; {runs} restores of {runs} answered")
    return int(ours > GOAL)


def plan_words(plan: GuestPlan) -> tuple[str, str, str]:
    """What bare QEMU boots."""
    return str(plan.boot.kernel), str(plan.boot.initramfs), plan.boot.cmdline


def farm_restore(guests: LocalGuests, plan: GuestPlan) -> tuple[float, float]:
    """Seconds to a guest that has answered, and its memory in MiB (PSS)."""
    start = time.perf_counter()
    guest = guests.fresh(plan)
    seconds = time.perf_counter() - start
    memory = pss(guest.process.pid) if guest.process else 0.0
    guests.release(guest)
    return seconds, memory


def bare_restore(plan: GuestPlan, state: Path) -> tuple[float, float]:
    """The same with QEMU alone."""
    start = time.perf_counter()
    with Bare(*plan_words(plan), "-incoming", f"exec:cat {state}") as guest:
        return time.perf_counter() - start, pss(guest.pid)


def pss(pid: int) -> float:
    """Proportional set size of a process, in MiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def tell(side: str, measured: Sequence[tuple[float, float]]) -> float:
    """Print a side's figures and give its median time."""
    times = sorted(seconds for seconds, _ in measured)
    memory = statistics.median(mib for _, mib in measured)
    median = statistics.median(times)
    print(
        f"{side}: median {median:.3f} s, fastest {times[0]:.3f} s, "
        f"95th percentile {times[int(len(times) * 0.95)]:.3f} s, PSS {memory:.0f} MiB"
    )
    return median


if __name__ == "__main__":
    raise SystemExit(main())
