# SPDX-License-Identifier: Apache-2.0
"""What a guest's kernel reports decides the verdict, unless the scenario allows or expects it."""

import subprocess
import sys
from pathlib import Path

import pytest
from run_harness import CHECKOUT

from hotremove.results.record import read_record

pytestmark = pytest.mark.live

CRASH = 'guest.control.run("echo c >/proc/sysrq-trigger")'
SCENARIOS = f"""
import pytest

@pytest.mark.expect_splat("panic", pattern="sysrq")
def test_expected_panic(guest):
    {CRASH}

def test_unexpected_panic(guest):
    {CRASH}

@pytest.mark.expect_splat("panic")
def test_panic_that_does_not_come(guest):
    pass

@pytest.mark.allow_splat("kasan", reason="an example", expires="2099-01-01")
def test_allowance_without_need(guest):
    pass
"""


def run(folder: Path, scenarios: str, *words: str) -> subprocess.CompletedProcess[str]:
    test = folder / "test_reports.py"
    test.write_text(scenarios)
    command = [sys.executable, "-m", "pytest", "-c", CHECKOUT / "tox.ini", "--rootdir", CHECKOUT]
    command += [
        "-p",
        "no:cacheprovider",
        "--hotremove-artifacts",
        folder / "artifacts",
        *words,
        test,
    ]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=300)


def test_verdicts_follow_the_kernels_reports(tmp_path):
    done = run(tmp_path, SCENARIOS)
    results = read_record(tmp_path / "artifacts" / "results.json")
    assert {result.scenario: (result.verdict, result.outcome) for result in results} == {
        "test_expected_panic": ("pass", ""),
        "test_unexpected_panic": ("fail", "guest-died"),
        "test_panic_that_does_not_come": ("fail", ""),
        "test_allowance_without_need": ("pass", ""),
    }, done.stdout
    assert "Kernel panic - not syncing: sysrq triggered crash" in done.stdout
    assert "allowance not needed in this run: kasan (an example)" in done.stdout
    assert "did not report what was expected: panic" in done.stdout


@pytest.mark.parametrize(
    ("marker", "told"),
    [
        ('allow_splat("kasan", reason="x")', "needs expires"),
        ('allow_splat("kasan", expires="2099-01-01")', "needs a reason"),
        ('allow_splat("nonsense", reason="x", expires="2099-01-01")', "unknown kind 'nonsense'"),
        ('expect_splat(colour="red")', "not colour"),
        ('dimm("large")', "mark.dimm('large',): give int"),
    ],
)
def test_a_marker_without_sense_ends_the_run_with_one_line(tmp_path, marker, told):
    done = run(tmp_path, f"import pytest\n@pytest.mark.{marker}\ndef test_x(guest): pass\n")
    assert done.returncode == 4
    assert told in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
