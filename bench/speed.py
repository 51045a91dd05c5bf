# SPDX-License-Identifier: Apache-2.0
"""How long the farm makes its user wait, against the same done by hand.

    bench/speed.py [--kernel SPEC] [-n RUNS]

Measures in turn, so that a noisy machine disturbs both sides alike:
- first guest: from the start of pytest to the first line of a test that has a guest, against bare
  QEMU from its start to the agent's first answer, with the same kernel and the same boot image;
- one scenario: the whole of `pytest` for scenario 1, against QEMU, QMP and the same steps by hand.
The cache is warmed before.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bare_qemu import Bare, hot_remove

from hotremove.cache import Cache
from hotremove.guest.plan import GuestPlan
from hotremove.session.farm import Farm
from hotremove.session.options import Options

CHECKOUT = Path(__file__).resolve().parent.parent
SCENARIO = "scenarios/test_pinned_memory_leaves.py::test_memory_leaves_under_an_rdma_memory_region"
LIMIT = 1.3

_FIRST_GUEST = """
import time
from pathlib import Path

def test_first_guest(guest):
    Path({stamp!r}).write_text(str(time.time()))
"""


def run_pytest(kernel: str, *words: str) -> None:
    """One pytest process; it must pass."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["--hotremove-kernel", kernel]
    done = subprocess.run([*command, *words], cwd=CHECKOUT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"the measured run failed:\n{done.stdout}{done.stderr}")


def first_guest(kernel: str, *words: str) -> float:
    """Seconds from the start of pytest to a test that has its guest."""
    with tempfile.TemporaryDirectory() as folder:
        stamp = Path(folder, "stamp")
        test = Path(folder, "test_first.py")
        test.write_text(_FIRST_GUEST.format(stamp=str(stamp)))
        start = time.time()
        run_pytest(kernel, "-c", "tox.ini", f"--rootdir={folder}", str(test), *words)
        return float(stamp.read_text()) - start


def bare_boot(plan: GuestPlan) -> float:
    """Seconds from the start of QEMU to the agent's first answer."""
    start = time.time()
    with Bare(str(plan.boot.kernel), str(plan.boot.initramfs), plan.boot.cmdline):
        return time.time() - start


def scenario(kernel: str) -> float:
    """Seconds of a whole pytest process that runs one scenario."""
    start = time.time()
    run_pytest(kernel, SCENARIO)
    return time.time() - start


def bare_scenario(plan: GuestPlan) -> float:
    """Seconds of the same steps by hand, QEMU's end included."""
    start = time.time()
    with Bare(str(plan.boot.kernel), str(plan.boot.initramfs), plan.boot.cmdline) as guest:
        hot_remove(guest)
    return time.time() - start


def compare(what: str, runs: int, farm: Callable[[], float], bare: Callable[[], float]) -> bool:
    """Measure both in turn, print the medians; whether the ratio is within the limit."""
    pairs = [(farm(), bare()) for _ in range(runs)]
    of_farm, of_bare = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(one / other for one, other in pairs)
    verdict = "within" if ratio <= LIMIT else "OVER"
    print(
        f"{what}: farm {of_farm:.2f} s, by hand {of_bare:.2f} s, "
        f"ratio {ratio:.2f} ({verdict} {LIMIT}), medians of {runs}"
    )
    return ratio <= LIMIT


def make_plan(kernel: str) -> GuestPlan:
    """The plan that the farm boots guests of this kernel from."""
    options = Options((kernel,), "movable-node", "tcg", None, None, 30.0, False)
    farm = Farm(options)
    return farm.plan(farm.kernels[0])


def main() -> int:
    """Measure; 1 when a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kernel", default="debian:bookworm")
    parser.add_argument("-n", "--runs", type=int, default=5)
    options = parser.parse_args()
    plan = make_plan(options.kernel)
    scenario(options.kernel)
    print(f"kernel {plan.image.kernel.version}, cache {Cache.default().root}")
    kernel, runs = options.kernel, options.runs

    def boot() -> float:
        return bare_boot(plan)

    def fresh() -> float:
        return first_guest(kernel, "--hotremove-fresh-boot")

    good = [
        compare("first guest, restored", runs, lambda: first_guest(kernel), boot),
        compare("first guest, --fresh-boot", runs, fresh, boot),
        compare("one scenario", runs, lambda: scenario(kernel), lambda: bare_scenario(plan)),
    ]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
