# SPDX-License-Identifier: Apache-2.0
"""Every module of kmods/ on the kernels the project is for."""

from pathlib import Path

import pytest

from hotremove.cache import Cache
from hotremove.kernels import spec

pytestmark = [pytest.mark.live, pytest.mark.takes(50)]

FAULTS = Path(__file__).parent / "faults"
CHECKS = FAULTS / "modules.py"
DEBUG = "debian-source:bookworm+lockdep+kasan+debug-vm"
# A kernel that checks itself is slow, and the first run compiles it (seconds).
WITH_A_BUILD = 4 * 3600
SLOW = ("--hotremove-boot-deadline", "600")


def nightly(*kernel: str):
    return pytest.param(*kernel, marks=pytest.mark.nightly)


@pytest.mark.parametrize(
    "source",
    [
        "debian:bullseye",
        "debian:bookworm",
        "debian:trixie",
        nightly("debian:trixie-backports"),
        nightly("debian:forky"),
        nightly("debian-source:bookworm"),
        nightly("debian-source:trixie"),
        nightly(DEBUG),
    ],
)
def test_modules(laboratory, source):
    run = laboratory.run(CHECKS, "--hotremove-kernel", source, *SLOW, seconds=WITH_A_BUILD)
    assert run.wait() == 0, run.text
    assert {row.verdict for row in run.rows} == {"pass"}, run.text


@pytest.mark.parametrize(
    "source",
    [
        "debian:bookworm",
        nightly("debian:bullseye"),
        nightly("debian:trixie"),
        nightly("debian:trixie-backports"),
        nightly("debian:forky"),
    ],
)
@pytest.mark.parametrize("checks", ["broken_pins.py", "broken_books.py"])
def test_each_fault_of_the_module_breaks_the_kernel_so(laboratory, checks, source):
    run = laboratory.run(FAULTS / checks, "--hotremove-kernel", source, *SLOW, seconds=WITH_A_BUILD)
    assert run.wait() == 0, run.text
    assert {row.verdict for row in run.rows} == {"pass"}, run.text


@pytest.mark.nightly
def test_minutes_of_random_requests_to_a_kernel_that_checks_itself(laboratory, monkeypatch):
    config = spec.resolve(DEBUG, Cache.default()).config
    assert {config[name] for name in ("PROVE_LOCKING", "KASAN", "DEBUG_VM")} == {"y"}
    monkeypatch.setenv("FUZZ_SECONDS", "300")
    run = laboratory.run(CHECKS, "--hotremove-kernel", DEBUG, *SLOW, "-k", "random", seconds=3600)
    assert run.wait() == 0, run.text
    assert [row.verdict for row in run.rows] == ["pass", "pass"]
