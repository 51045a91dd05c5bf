# SPDX-License-Identifier: Apache-2.0
"""What a run of the suite costs, against its floor: the same number of guests by hand.

    PYTHONPATH=plugins python bench/suite.py [--kernel SPEC] [-n WORKERS] [-k EXPRESSION] [FILE...]

The run: one pytest process with its workers; its seconds, and the processor seconds of all that it
starts, guests included. The floor: for each test that had a guest, bare QEMU with `-incoming` of a
saved machine, 512 MiB plugged and brought online, 32 MiB pinned, the DIMM ejected, all by QMP; the
mean of ten guests, of which five come before the run and five after it. Before it, the cache is
warmed by one test. Ends with what the tests' time went into.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bare_qemu import Bare, hot_remove
from speed import CHECKOUT, SCENARIO, make_plan

from hotremove.analysis.timing import by_span, by_test
from hotremove.guest.plan import GuestPlan
from hotremove.results.source import opened

# Guests by hand, before and after the run.
_HANDS = 5


@dataclass(frozen=True)
class Cost:
    """What something took: seconds on the clock, and of processors."""

    seconds: float
    processor: float

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s, {self.processor:.2f} processor seconds"


def measured(call: Callable[[], None]) -> Cost:
    """What a call takes, with all processes that it starts and waits for."""
    start, used = time.monotonic(), _used()
    call()
    return Cost(time.monotonic() - start, _used() - used)


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run_suite(artifacts: Path, *words: str) -> None:
    """One pytest process; a kernel that fails tests is no reason to stop."""
    command = [sys.executable, "-m", "pytest", "-q", "-c", "tox.ini", "-p", "no:cacheprovider"]
    command += ["-m", "hotremove", f"--hotremove-artifacts={artifacts}", *words]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    if done.returncode > 1:
        raise SystemExit(f"the measured run failed:\n{done.stdout}{done.stderr}")


def by_hand(plan: GuestPlan, state: Path) -> Cost:
    """One guest of the floor."""
    words = str(plan.boot.kernel), str(plan.boot.initramfs), plan.boot.cmdline

    def remove() -> None:
        with Bare(*words, "-incoming", f"exec:cat {state}") as guest:
            hot_remove(guest)

    return measured(remove)


def save(plan: GuestPlan, state: Path) -> None:
    """The machine that the floor's guests begin from."""
    words = str(plan.boot.kernel), str(plan.boot.initramfs), plan.boot.cmdline
    with Bare(*words) as guest:
        guest.save(state)


def mean(costs: list[Cost]) -> Cost:
    """The mean of both."""
    return Cost(
        statistics.mean(one.seconds for one in costs),
        statistics.mean(one.processor for one in costs),
    )


def compare(plan: GuestPlan, folder: Path, *words: str) -> None:
    """Measure both and print what they took."""
    run_suite(folder / "warm", SCENARIO, *words[:2])
    save(plan, folder / "state")
    hands = [by_hand(plan, folder / "state") for _ in range(_HANDS)]
    whole = measured(lambda: run_suite(folder / "run", *words))
    hands += [by_hand(plan, folder / "state") for _ in range(_HANDS)]
    with opened(folder / "run") as source:
        tests, spans = by_test(source.cases), by_span(source.cases)
    one = mean(hands)
    print(f"suite: {whole}, {len(tests)} tests with a guest")
    print(f"by hand: {one} for one guest, {one.processor * len(tests):.1f} for as many")
    ratio = whole.processor / one.processor / len(tests)
    print(f"the suite's processor seconds are {ratio:.2f} times those by hand")
    for span in spans[:12]:
        print(f"{span.seconds:8.1f} s  {span.times:5}  {span.name}")


def main() -> int:
    """Measure once."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kernel", default="debian:bookworm")
    parser.add_argument("-n", "--workers", default="auto")
    parser.add_argument("-k", dest="only", default="")
    parser.add_argument("files", nargs="*", metavar="FILE", help="of the suite; by default all")
    options = parser.parse_args()
    words = ["--hotremove-kernel", options.kernel, "-n", options.workers]
    words += ["-k", options.only] if options.only else []
    words += options.files
    with tempfile.TemporaryDirectory(prefix="suite-") as folder:
        compare(make_plan(options.kernel), Path(folder), *words)
    return 0


if __name__ == "__main__":
    sys.exit(main())
