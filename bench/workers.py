# SPDX-License-Identifier: Apache-2.0
"""Two workers against one on the same scenarios, in turn, so that noise disturbs both alike.

    bench/workers.py [--kernel SPEC] [-n WORKERS] [--pairs N] [-k EXPRESSION]

Prints each pair with the machine's load at its start, and the ratio of their medians. The cache is
warmed before.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
WANTED = 1.7


def run(kernel: str, *words: str) -> float:
    """Seconds of a whole pytest process; its verdicts must be good."""
    command = [sys.executable, "-m", "pytest", "-q", "-c", "tox.ini", "-p", "no:cacheprovider"]
    command += ["scenarios", "-m", "hotremove", "--hotremove-kernel", kernel, *words]
    start = time.monotonic()
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"the measured run failed:\n{done.stdout}{done.stderr}")
    return time.monotonic() - start


def main() -> int:
    """Measure; 1 when the ratio is below what is wanted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kernel", default="debian:bookworm")
    parser.add_argument("-n", "--workers", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("-k", dest="only", default="")
    options = parser.parse_args()
    words = ("-k", options.only) if options.only else ()
    run(options.kernel, "-n", str(options.workers), *words)
    pairs = []
    for _ in range(options.pairs):
        load = os.getloadavg()[0]
        one = run(options.kernel, *words)
        several = run(options.kernel, "-n", str(options.workers), *words)
        pairs.append((one, several))
        print(f"one {one:.1f} s, {options.workers} {several:.1f} s, load before {load:.1f}")
    ratio = statistics.median(one / several for one, several in pairs)
    print(f"{options.workers} workers are {ratio:.2f} times one (wanted {WANTED})")
    return 0 if ratio >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
