# SPDX-License-Identifier: Apache-2.0
"""Verdicts against the lineage, and of kernels with a fault."""

from dataclasses import replace

import pytest

from hotremove.faults.fault import catalogue
from hotremove.lineage.changes import Lineage
from hotremove.verdict.expectation import Finding, against_lineage, with_fault
from hotremove.verdict.scenario_id import ScenarioId
from hotremove.verdict.verdict import Verdict

UNFIXED, FIXED = Lineage((5, 10, 262)), Lineage((6, 1, 192))
RDMA = ScenarioId(1, "rxe memory region held")
FAILED, PASSED = Finding(Verdict.FAIL, "stuck", pins_stayed=True), Finding(Verdict.PASS, "")
FAULT, LOST_BYTES = catalogue()["no-migration"], catalogue()["bytes-lost"]
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


def test_memory_that_nobody_pins_has_no_bug_of_pins_that_stay():
    unpinned = ScenarioId(48, "partly swapped out, nothing pinned", unpinned=True)
    pinned = ScenarioId(48, "partly swapped out, then half of it pinned")
    assert against_lineage(PASSED, unpinned, Lineage((5, 10, 262))) is PASSED
    assert against_lineage(PASSED, pinned, Lineage((5, 10, 262))).verdict is Verdict.FAIL
    told = against_lineage(FAILED, unpinned, Lineage((6, 12, 57)))
    assert told.verdict is Verdict.KNOWN_BUG
    assert "86ebd50224c0" in told.message


@pytest.mark.parametrize("verdict", [Verdict.LOST, Verdict.SKIP, Verdict.ERROR])
def test_what_says_nothing_of_the_kernel_stays_as_it_is(verdict):
    found = Finding(verdict, "x")
    assert against_lineage(found, RDMA, UNFIXED) is found
    assert with_fault(found, RDMA, FAULT, must=True) is found


def test_a_failure_by_what_the_fault_spoils_is_what_is_wanted():
    told = "8 pages of pid 7, a vfio mapping of 1 MiB lie in ZONE_MOVABLE: 0x100-0x107"
    for found in (FAILED, Finding(Verdict.FAIL, told)):
        for must in (True, False):
            seen = with_fault(found, RDMA, FAULT, must=must)
            assert seen == Finding(Verdict.PASS, f"noticed: {found.message}")


def test_who_must_notice_and_passes_fails():
    seen = with_fault(PASSED, RDMA, FAULT, must=True)
    assert seen == Finding(Verdict.FAIL, "1 rxe memory region held does not notice no-migration")
    assert with_fault(PASSED, RDMA, FAULT, must=False).verdict is Verdict.PASS


@pytest.mark.parametrize("must", [True, False])
@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (FAULT, Finding(Verdict.FAIL, "`pin` did not return in the guest in 60 s")),
        (FAULT, Finding(Verdict.FAIL, "Kernel panic - not syncing", reports=("Kernel panic",))),
        (LOST_BYTES, FAILED),
    ],
)
def test_a_failure_by_something_else_notices_nothing(fault, found, must):
    seen = with_fault(found, RDMA, fault, must=must)
    assert seen.verdict is Verdict.FAIL
    assert str(fault) in seen.message
    assert found.message in seen.message


def test_a_control_notices_only_what_it_says_it_does():
    control = ScenarioId(1, "nothing pinned", control=True)
    seen = with_fault(FAILED, control, FAULT, must=False)
    assert seen.verdict is Verdict.FAIL
    assert seen.message == "a control notices no-migration: stuck"
    assert with_fault(FAILED, control, FAULT, must=True).verdict is Verdict.PASS
    assert with_fault(PASSED, control, FAULT, must=False).verdict is Verdict.PASS


def test_a_control_may_notice_what_every_test_looks_at():
    control = ScenarioId(1, "nothing pinned", control=True)
    found = Finding(Verdict.FAIL, "books: node 1: 7 of 8 pins released")
    kept = catalogue()["kept-pin"]
    assert with_fault(found, control, kept, must=False).verdict is Verdict.PASS


LOST = (
    "books: the machine: {} MiB are neither free nor in any account of /proc/meminfo,"
    " expected at most 1 MiB"
)
LEAK = Lineage((6, 18, 15))
DEATH = "the guest died: Oops: general protection fault\nRIP: 0010:xsk_destruct_skb+0xd0/0x180"


@pytest.mark.parametrize(
    "message",
    [
        LOST.format("7.9"),
        f"{LOST.format('4.0')} (held until the end: pid 160, a vfio DMA mapping of 4 MiB)",
        f"{LOST.format('7.8')} (in round 3 of 3, with --hotremove-seed 3178239709)",
        "80.1 MiB of free memory are gone",
    ],
)
@pytest.mark.parametrize("control", [False, True])
def test_a_bug_that_any_row_may_fail_by_is_known_in_each(message: str, control: bool):
    row = ScenarioId(1, "x", control=control)
    told = against_lineage(Finding(Verdict.FAIL, message), row, LEAK)
    assert told.verdict is Verdict.KNOWN_BUG
    assert told.message == f"{message} [known: 6.18.15 has bf9e4e30f353 (6.19)]"
    for whole in (Lineage((6, 17, 13)), Lineage((7, 2, 12))):
        assert against_lineage(Finding(Verdict.FAIL, message), row, whole).verdict is Verdict.FAIL
    assert against_lineage(PASSED, row, LEAK) is PASSED


@pytest.mark.parametrize(
    "found",
    [
        Finding(Verdict.FAIL, LOST.format("64.0")),
        Finding(Verdict.FAIL, f"books: node 1: 1 of 2 pins released; {LOST.format('7.9')[7:]}"),
        Finding(Verdict.FAIL, LOST.format("7.9"), reports=("BUG: Bad page state",)),
        Finding(Verdict.FAIL, LOST.format("7.9"), pins_stayed=True),
        Finding(Verdict.FAIL, f"{LOST.format('7.9')}; the kernel reported besides: x"),
    ],
)
def test_more_than_the_bug_loses_is_a_failure_still(found: Finding):
    assert against_lineage(found, RDMA, LEAK).verdict is Verdict.FAIL


def test_a_death_is_known_by_where_it_happened():
    row = ScenarioId(38, "control: the buffers are on node 0", control=True)
    found = Finding(Verdict.FAIL, DEATH, reports=("Oops: general protection fault",))
    assert against_lineage(found, row, Lineage((6, 16, 12))).verdict is Verdict.KNOWN_BUG
    assert against_lineage(found, row, Lineage((6, 17, 13))).verdict is Verdict.FAIL
    elsewhere = replace(found, message=DEATH.replace("xsk_destruct_skb", "skb_release"))
    assert against_lineage(elsewhere, row, Lineage((6, 16, 12))).verdict is Verdict.FAIL
