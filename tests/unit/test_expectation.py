# SPDX-License-Identifier: Apache-2.0
"""Verdicts against the lineage, and with the fix turned off."""

from dataclasses import replace

import pytest

from hotremove.lineage.changes import Lineage
from hotremove.verdict.expectation import Finding, against_lineage, with_fix_off
from hotremove.verdict.scenario_id import ScenarioId
from hotremove.verdict.verdict import Verdict

UNFIXED, FIXED = Lineage((5, 10, 262)), Lineage((6, 1, 192))
RDMA = ScenarioId(1, "rxe memory region held")
FAILED, PASSED = Finding(Verdict.FAIL, "stuck", pins_stayed=True), Finding(Verdict.PASS, "")
HUGETLB = ScenarioId(11, "hugetlb, with a free pool on node 0")


def test_a_bug_the_version_is_known_to_have_is_a_known_bug():
    found = against_lineage(FAILED, RDMA, UNFIXED)
    assert found.verdict is Verdict.KNOWN_BUG
    assert found.message == "stuck [known: 5.10.262 lacks d1e153fea2a8 (5.13)]"


def test_what_is_known_is_told_in_the_first_line():
    found = against_lineage(replace(FAILED, message="stuck\nmore\nlines"), RDMA, UNFIXED)
    assert found.message == "stuck [known: 5.10.262 lacks d1e153fea2a8 (5.13)]\nmore\nlines"


@pytest.mark.parametrize(
    ("row", "version", "found", "known"),
    [
        (RDMA, UNFIXED, Finding(Verdict.FAIL, "[Errno 12] ibv_reg_mr"), False),
        (RDMA, UNFIXED, Finding(Verdict.FAIL, "died", False, ("Kernel panic",)), False),
        (RDMA, UNFIXED, Finding(Verdict.FAIL, "stuck", True, ("BUG: Bad page state",)), False),
        (HUGETLB, FIXED, Finding(Verdict.FAIL, "[Errno 12] ibv_reg_mr"), True),
        (
            HUGETLB,
            FIXED,
            Finding(Verdict.FAIL, "x", False, ("WARNING: … follow_hugetlb_page+0x408/0x760",)),
            True,
        ),
        (
            HUGETLB,
            FIXED,
            Finding(Verdict.FAIL, "x", False, ("WARNING: … follow_hugetlb_page", "BUG: KASAN")),
            False,
        ),
    ],
)
def test_a_known_bug_has_to_show_as_the_lineage_says(row, version, found, known):
    judged = against_lineage(found, row, version)
    assert judged.verdict is (Verdict.KNOWN_BUG if known else Verdict.FAIL)
    assert known or "not as the known bug shows: " in judged.message


def test_a_known_bug_that_does_not_show_fails():
    found = against_lineage(PASSED, RDMA, UNFIXED)
    assert found.verdict is Verdict.FAIL
    assert "5.10.262 lacks d1e153fea2a8 (5.13), yet the scenario passes" in found.message


def test_a_bug_nobody_knows_of_stays_a_failure():
    assert against_lineage(FAILED, RDMA, FIXED) is FAILED


@pytest.mark.parametrize(
    ("row", "version", "bug"),
    [
        (11, (6, 1, 192), "4849807114b8"),
        (11, (6, 12, 117), None),
        (19, (6, 1, 192), "84209e87c696"),
        (21, (5, 17, 0), None),
        (21, (6, 1, 150), "2fbb0c10d1e8"),
        (21, (6, 1, 192), None),
    ],
)
def test_a_row_fails_from_the_change_that_breaks_it_to_the_one_that_mends_it(row, version, bug):
    known = Lineage(version).known_bug(row)
    assert (known.hash if known else None) == bug


def test_a_control_has_no_known_bugs():
    control = ScenarioId(1, "nothing pinned", control=True)
    assert against_lineage(FAILED, control, UNFIXED) is FAILED
    assert against_lineage(PASSED, control, UNFIXED) is PASSED


@pytest.mark.parametrize("verdict", [Verdict.LOST, Verdict.SKIP, Verdict.ERROR])
def test_what_says_nothing_of_the_kernel_stays_as_it_is(verdict):
    found = Finding(verdict, "x")
    assert against_lineage(found, RDMA, UNFIXED) is found
    assert with_fix_off(found, RDMA) is found


def test_with_the_fix_off_a_failure_is_what_is_wanted():
    assert with_fix_off(FAILED, RDMA).verdict is Verdict.PASS


def test_with_the_fix_off_a_pass_is_insensitive():
    found = with_fix_off(PASSED, RDMA)
    assert found.verdict is Verdict.FAIL
    assert "insensitive: 1 rxe memory region held" in found.message


def test_with_the_fix_off_a_splat_proves_nothing():
    other = replace(FAILED, pins_stayed=False)
    assert with_fix_off(other, RDMA) is other
