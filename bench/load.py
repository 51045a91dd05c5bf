# SPDX-License-Identifier: Apache-2.0
"""Many guests at once, and many runs after each other: nothing may be lost, nothing left.

    bench/load.py [--kernel SPEC] [--guests N] [--runs N] [-n WORKERS] [--test ID]

First N guests at once in one process, each plugging a DIMM and giving it back. Then a scenario is
run N times by some workers. Watched meanwhile: each worker's file descriptors, memory and threads,
which must not grow from its tenth test to its last; afterwards: processes, run directories, and the
disk that the run takes outside the cache.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

from hotremove.memory.dimm import Dimm
from hotremove.results.record import read_record
from hotremove.session.farm import Farm
from hotremove.session.options import Options
from hotremove.virt.reaper import emulators_of

CHECKOUT = Path(__file__).resolve().parent.parent
SCENARIO = "scenarios/test_pinned_memory_leaves.py::test_memory_leaves_under_an_rdma_memory_region"
# A worker's tests before it is looked at: caches fill at first.
WARM = 10
# A run may grow by this many KiB of memory for each further test: results are kept to its end.
KIB_A_TEST = 64

_WATCH = """
import json, os, threading
from pathlib import Path
import pytest
from hotremove.virt.reaper import runs_folder

@pytest.hookimpl(trylast=True)
def pytest_runtest_logfinish(nodeid):
    lines = Path("/proc/self/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines)
    row = [os.getpid(), len(os.listdir("/proc/self/fd")), int(status["VmRSS"].split()[0]),
           threading.active_count(), str(runs_folder())]
    with Path(os.environ["HOTREMOVE_WATCH"]).open("a") as file:
        file.write(json.dumps(row) + "\\n")

def pytest_generate_tests(metafunc):
    if "guest" in metafunc.fixturenames or "movable_memory" in metafunc.fixturenames:
        metafunc.fixturenames.append("again")
        metafunc.parametrize("again", range(int(os.environ["HOTREMOVE_RUNS"])))
"""


def guests_at_once(kernel: str, count: int) -> str:
    """Have `count` guests at once and remove a DIMM from each; what is to be told."""
    options = Options((kernel,), "movable-node", "auto", None, None, 120.0, True, 600.0)
    farm = Farm(options)
    start = time.monotonic()
    try:
        plan = farm.plan(farm.kernels[0])
        with ExitStack() as stack:
            guests = [stack.enter_context(farm.guest_source.lend(plan)) for _ in range(count)]
            dimms = [Dimm(guest, plan.topology.movable_node, 512, 120.0) for guest in guests]
            outcomes = [str(dimm.eject().outcome) for dimm in dimms]
        directory = farm.guest_source.pool.directory.path
    finally:
        farm.close()
    left = emulators_of(directory)
    if set(outcomes) != {"removed"} or left or directory.exists():
        raise SystemExit(f"outcomes {outcomes}, left {left or directory}")
    return f"{count} guests at once, a DIMM removed from each: {time.monotonic() - start:.0f} s"


def many_runs(kernel: str, test: str, runs: int, workers: int) -> str:
    """Run a scenario `runs` times; what is to be told."""
    with tempfile.TemporaryDirectory(prefix="hrl-") as name:
        folder = Path(name)
        (folder / "load_watch.py").write_text(_WATCH)
        temporary = folder / "t"  # a longer name would send run directories to /tmp
        temporary.mkdir()
        watch, artifacts = folder / "watch.jsonl", folder / "artifacts"
        own = {"HOTREMOVE_WATCH": str(watch), "HOTREMOVE_RUNS": str(runs)}
        paths = os.pathsep.join((str(folder), os.environ.get("PYTHONPATH", "")))
        environment = {**os.environ, **own, "TMPDIR": str(temporary), "PYTHONPATH": paths}
        command = [sys.executable, "-m", "pytest", "-q", "-c", "tox.ini", "-p", "no:cacheprovider"]
        command += ["-p", "load_watch", f"--hotremove-artifacts={artifacts}"]
        command += ["--hotremove-kernel", kernel, test]
        command += ["-n", str(workers)] if workers > 1 else []
        start = time.monotonic()
        done = subprocess.run(
            command, cwd=CHECKOUT, env=environment, capture_output=True, text=True
        )
        took = time.monotonic() - start
        if done.returncode:
            raise SystemExit(f"the run failed:\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
        verdicts = [row.verdict for row in read_record(artifacts / "results.json")]
        if verdicts != ["pass"] * runs:
            raise SystemExit(f"not all passed:\n{done.stdout[-4000:]}")
        rows = [json.loads(line) for line in watch.read_text().splitlines()]
        expect_nothing_left(temporary, {row.pop() for row in rows})
        grown = growth(rows)
        return f"{runs} runs by {workers} workers: {took:.0f} s, all passed; {grown}; nothing left"


def expect_nothing_left(temporary: Path, places: set[str]) -> None:
    """End with what runs left in `temporary`; `places` are the folders they used."""
    if places != {str(temporary)}:
        raise SystemExit(f"run directories were in {places}, and not in {temporary}")
    left = [path.name for path in temporary.iterdir() if "pytest" not in path.name]
    emulators = emulators_of(temporary)
    if left or emulators:
        raise SystemExit(f"left: {left} {emulators}")


def growth(rows: list[list[int]]) -> str:
    """What workers had more of after their last test than after their tenth."""
    of_worker: dict[int, list[list[int]]] = defaultdict(list)
    for pid, *facts in rows:
        of_worker[pid].append(facts)
    told = []
    for facts in of_worker.values():
        if len(facts) <= WARM:
            continue
        tests = len(facts) - WARM
        files, memory, threads = (b - a for a, b in zip(facts[WARM - 1], facts[-1], strict=True))
        told.append(f"{files:+d} descriptors, {memory:+d} KiB, {threads:+d} threads in {tests}")
        if files > 2 or threads > 2 or memory > KIB_A_TEST * tests:
            raise SystemExit(f"a worker grew: {told[-1]} tests")
    return "; ".join(told) or "too few tests to see growth"


def main() -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kernel", default="debian:bookworm")
    parser.add_argument("--guests", type=int, default=8)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("-n", "--workers", type=int, default=2)
    parser.add_argument("--test", default=SCENARIO)
    options = parser.parse_args()
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs", flush=True)
    if options.guests:
        print(guests_at_once(options.kernel, options.guests), flush=True)
    if options.runs:
        print(many_runs(options.kernel, options.test, options.runs, options.workers), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
