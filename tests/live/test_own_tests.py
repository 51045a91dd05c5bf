# SPDX-License-Identifier: Apache-2.0
"""What is told of the kernel's own tests that do not come to their end, in real guests."""

from pathlib import Path

import pytest
from run_harness import Laboratory, Run

pytestmark = [pytest.mark.live, pytest.mark.takes(30)]

PANIC = "Kernel panic - not syncing: sysrq triggered crash"
LOCKED = ("mlock2-tests: locked", "pass", "")
# Of each test, what its row and its parts say: title, verdict, part of the message.
TOLD = {
    "1": (
        ("fails", "fail", "1 of 3 tests of the kernel's own failed"),
        LOCKED,
        ("mlock2-tests: unlocked", "fail", ""),
        ("mlock2-tests: 3", "not-applicable", "no such user"),
    ),
    "2": (
        ("cut off", "fail", "1 of 2 tests"),
        LOCKED,
        ("mlock2-tests", "fail", "1 results of 3 planned"),
    ),
    "3": (("dies", "fail", PANIC), LOCKED, ("mlock2-tests: merged", "fail", PANIC)),
    "4": (
        ("killed", "fail", "1 of 4 tests"),
        LOCKED,
        ("mlock2-tests: a", "pass", ""),
        ("mlock2-tests: b", "pass", ""),
        ("mlock2-tests", "fail", "signal 11"),
    ),
}


@pytest.fixture(scope="module")
def run(module_laboratory: Laboratory) -> Run:
    """One run of all of them."""
    return module_laboratory.run(Path(__file__).parent / "faults/own_tests.py", seconds=400)


@pytest.mark.parametrize("number", TOLD)
def test_told(run, number):
    rows = [row for row in run.rows if row.scenario.startswith(f"{number} ")]
    found = [(row.scenario.partition(" ")[2], row.verdict) for row in rows]
    assert found == [(title, verdict) for title, verdict, _ in TOLD[number]], run.text
    for row, (_, _, message) in zip(rows, TOLD[number], strict=True):
        assert message in row.message


def test_what_it_printed_is_kept(run):
    (row,) = (row for row in run.rows if row.scenario == "3 dies")
    log = run.folder / "artifacts" / row.evidence / "mlock2-tests.log"
    assert log.read_text().endswith("# [RUN] merged\n")
