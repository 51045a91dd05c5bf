#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the plugin costs those in whose environment it is: time to import it, over pytest alone.

    bench/import.py [-n RUNS]

Each run is a new interpreter; the two take turns, so that what else the machine does falls on both.
Time is the processor's; the best run of each counts: what is slower was disturbed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

PLUGINS = Path(__file__).resolve().parent.parent / "plugins"
TIMED = """
import sys, time
before = time.process_time()
import pytest
{more}
print(time.process_time() - before)
names = {{name.partition(".")[0] for name in sys.modules}} - set(sys.stdlib_module_names)
print(*sorted(names - {{"__main__", "pytest", "_pytest", "pluggy", "iniconfig", "packaging"}}))
"""
# As pytest does, with the modules that the plugin names.
PLUGIN = "import hotremove.plugin\nfor name in hotremove.plugin.pytest_plugins: __import__(name)"


def measure(more: str = "") -> tuple[float, str]:
    """Milliseconds to import pytest and something more; what is there then that is not pytest's."""
    done = subprocess.run(
        [sys.executable, "-c", TIMED.format(more=more)],
        env={**os.environ, "PYTHONPATH": str(PLUGINS)},
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, *modules = done.stdout.splitlines()
    return 1000 * float(seconds), " ".join(modules)


def main() -> None:
    """Print both figures and their difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=20, metavar="RUNS")
    runs = parser.parse_args().n
    pairs = [(measure(), measure(PLUGIN)) for _ in range(runs)]
    alone, with_us = ([times[which][0] for times in pairs] for which in (0, 1))
    for name, found in (("pytest alone", alone), ("with hotremove.plugin", with_us)):
        print(f"{name:22} best {min(found):6.1f} ms, median {median(found):6.1f} ms of {runs} runs")
    print(f"{'difference':22} best {min(with_us) - min(alone):6.1f} ms")
    (_, before), (_, after) = pairs[0]
    brought = sorted(set(after.split()) - set(before.split()) - {"hotremove"})
    print(f"third-party modules that come with it: {' '.join(brought) or 'none'}")


if __name__ == "__main__":
    main()
