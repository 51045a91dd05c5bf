# SPDX-License-Identifier: Apache-2.0
"""Verdicts and their explanations, from evidence as real kernels gave it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from hotremove.errors import (
    Blocked,
    CapabilityAbsent,
    GuestDied,
    GuestLost,
    HostProblem,
    NotApplicable,
    UsageProblem,
    Waived,
)
from hotremove.lineage.changes import Lineage, changes, find_change
from hotremove.memory.outcome import REFUSED, REMOVED, STUCK
from hotremove.memory.page import describe_page
from hotremove.memory.removal import PinsLost, Removal, UnexpectedOutcome, references_lost
from hotremove.observe.counters import Counters
from hotremove.observe.pagedump import PageDump, parse_dumps
from hotremove.observe.pagemap import PfnRuns
from hotremove.pins.holder import PinRefused
from hotremove.pins.pin import Pin
from hotremove.units import MIB
from hotremove.verdict.judge import judge
from hotremove.verdict.scenario_id import LONG_TERM, catalogue
from hotremove.verdict.verdict import Verdict

DUMP_5_10 = """\
4,786,37748044,-;migrating pfn 100008 failed ret:1
4,787,37748145,-;page:00000000912240c0 refcount:1026 mapcount:1 mapping:0000000000000000 \
index:0x7fcf43ec7 pfn:0x100008
4,788,37748460,-;anon flags: 0x5fffffc00a000e(referenced|uptodate|dirty|swapbacked|node=1|zone=3)
4,789,37748819,-;page dumped because: migration failure
"""
SCENARIOS = Path(__file__).parents[2] / "docs" / "scenarios.md"
FRAMES = PfnRuns.of([(0x100000, 0x20000)])


def make_pin(**changed):
    facts = {
        "path": "rdma",
        "label": "rxe memory region",
        "long_term": True,
        "pid": 93,
        "size": 128 * MIB,
        "calls": 1,
        "seconds": 0.1,
        "frames": PfnRuns.of([(0x100008, 32768)]),
        "counted": Counters({}),
    }
    return Pin(**{**facts, **changed})


def make_removal(**changed):
    facts = {
        "mechanism": "ACPI eject",
        "outcome": STUCK,
        "seconds": 30.0,
        "deadline": 30.0,
        "node": 1,
        "frames": FRAMES,
        "pins": (make_pin(),),
        "before": Counters({"pgmigrate_fail": 0}),
        "after": Counters({"pgmigrate_fail": 32768}),
        "dumps": tuple(parse_dumps(DUMP_5_10.splitlines())),
        "migrates_pins": False,
    }
    return Removal(**{**facts, **changed})


def test_a_stuck_removal_names_page_references_holder_and_fix():
    assert str(make_removal()) == (
        "stuck: pfn 0x100008 in node 1's ZONE_MOVABLE holds 1 long-term pin (refcount 1026 = "
        "1024 (1 long-term pin) + 1 (mapping) + 1 (isolation)), held by pid 93, an rxe memory "
        "region of 128 MiB; fixed upstream by d1e153fea2a8 (5.13); ACPI eject did not end in 30 s"
    )


def test_references_that_went_while_a_dump_was_printed_are_told():
    dumps = tuple(parse_dumps(DUMP_5_10.replace("1026", "1025").splitlines()))
    told = "(refcount 1025 = 1024 (1 long-term pin) + 1 (mapping) + 1 (isolation) - 1 (changed"
    assert told in str(make_removal(dumps=dumps))


def test_a_pinned_page_is_blamed_before_an_unpinned_one():
    stranger = DUMP_5_10.replace("100008", "110000").replace("1026", "3")
    dumps = tuple(parse_dumps((DUMP_5_10 + stranger).splitlines()))
    assert make_removal(dumps=dumps).blocking.pfn == 0x100008


def test_without_a_dump_the_counters_speak():
    told = str(make_removal(dumps=()))
    assert "dumped no page" in told
    assert "pgmigrate_fail rose by 32768" in told
    assert "32768 pages of pid 93, an rxe memory region of 128 MiB lie inside" in told


SWAPPED = """\
4,786,37748044,-;migrating pfn 10a2c1 failed ret:1
4,787,37748145,-;page: refcount:2 mapcount:0 mapping:00000000aa11bb22 index:0x55d0a1 pfn:0x10a2c1
4,788,37748150,-;aops:swap_aops
4,789,37748460,-;flags: 0x300000000030508(uptodate|active|owner_priv_1|swapbacked|node=1|zone=3)
4,790,37748819,-;page dumped because: migration failure
"""
OUTSIDE = make_pin(frames=PfnRuns.of([(0x8000, 32768)]))


@pytest.mark.parametrize("outcome", [STUCK, REFUSED])
def test_a_page_that_no_pin_holds_is_said_for_what_it_is(outcome):
    dumps = tuple(parse_dumps(SWAPPED.splitlines()))
    told = str(make_removal(pins=(OUTSIDE,), dumps=dumps, migrates_pins=True, outcome=outcome))
    page = "pfn 0x10a2c1 in node 1's ZONE_MOVABLE is a page in the swap cache"
    assert f"{page}, which no pin of the scenario holds" in told
    for blame in ("held by", "pid 93", "regression", "d1e153fea2a8"):
        assert blame not in told


def test_pins_inside_are_not_blamed_for_another_page():
    dumps = tuple(parse_dumps(SWAPPED.replace("10a2c1", "118000").splitlines()))
    told = str(make_removal(dumps=dumps, migrates_pins=True))
    assert "no pin of the scenario holds" in told
    assert "regression" not in told


def test_without_a_dump_and_with_all_pins_elsewhere_nobody_is_blamed():
    told = str(make_removal(pins=(OUTSIDE,), dumps=(), migrates_pins=True))
    assert "no page of any pin lies inside" in told
    for blame in ("pid 93", "regression", "d1e153fea2a8"):
        assert blame not in told


def test_a_pin_of_a_part_holds_the_whole_folio():
    head = "4,5,6,-;head: order:9 mapcount:512 entire_mapcount:0 nr_pages_mapped:512 pincount:1\n"
    lines = DUMP_5_10.replace("100008", "100000").splitlines(keepends=True)
    dumps = tuple(parse_dumps("".join((*lines[:2], head, *lines[2:])).splitlines()))
    part = make_pin(frames=PfnRuns.of([(0x100100, 16)]))
    assert make_removal(pins=(part,), dumps=dumps).pin_of(dumps[0]) is part


@pytest.mark.parametrize(
    ("dump", "words"),
    [
        (PageDump(1, 0, flags=("reserved",)), "a reserved page"),
        (PageDump(1, 0, flags=("slab",)), "a page of the kernel's slabs"),
        (PageDump(1, 0, page_type="f5(slab)"), "a page of the kernel's slabs"),
        (PageDump(1, 0, page_type="f4(hugetlb)", order=9), "a hugetlb page"),
        (PageDump(1, 0, page_type="f2(table)"), "a page of the type f2(table)"),
        (PageDump(2, 1, kind="anon", flags=("swapbacked",)), "an anonymous page"),
        (PageDump(2, 1, kind="anon", order=9), "an anonymous page of 2048 KiB"),
        (PageDump(2, 1, kind="ksm"), "a page that KSM has merged"),
        (PageDump(2, 0, kind="file", cached=True), "a page of the page cache"),
        (PageDump(2, 0, cached=True, flags=("swapbacked",)), "a page of shared memory"),
        (PageDump(1, 0), "a page that is neither anonymous nor a file's"),
    ],
)
def test_what_a_page_is(dump, words):
    assert describe_page(dump) == words


def test_a_fixed_kernel_that_gets_stuck_is_suspected_of_a_regression():
    told = str(make_removal(migrates_pins=True))
    assert "suspect a regression" in told
    assert "fixed upstream" not in told


def test_a_reference_that_is_not_long_term_is_by_design():
    pin = make_pin(path="vmsplice", label="vmsplice'd pipe buffer", long_term=False)
    assert "by design" in str(make_removal(pins=(pin,)))


def test_a_removal_without_pins_blames_none():
    told = str(make_removal(pins=()))
    assert "held by" not in told
    assert "no pin of the scenario holds" in told
    assert "look at what else uses the memory" in told


@pytest.mark.parametrize(
    ("changed", "shows"),
    [
        ({}, True),
        ({"outcome": REMOVED}, False),
        ({"pins": ()}, False),
        ({"pins": (make_pin(frames=PfnRuns.of([(0x8000, 32768)])),)}, False),
        ({"pins": (make_pin(long_term=False),)}, False),
    ],
)
def test_only_long_term_pins_in_the_memory_show_that_the_fix_is_missing(changed, shows):
    assert make_removal(**changed).shows_missing_fix is shows


@pytest.mark.parametrize(("outcome", "wanted"), [(REMOVED, STUCK), (STUCK, REMOVED)])
def test_an_unexpected_outcome_fails(outcome, wanted):
    removal = make_removal(outcome=outcome)
    with pytest.raises(UnexpectedOutcome, match=f"expected: {wanted}"):
        removal.expect(wanted)
    removal.expect(outcome)


def test_a_refusal_gives_the_kernels_reason():
    busy = make_removal(outcome=REFUSED, dumps=(), remark="memory32: Device or resource busy")
    assert "memory32: Device or resource busy" in str(busy)
    removal = replace(busy, reasons=("signal backoff", "notifier failure"))
    assert str(removal).endswith("busy (offlining failed due to notifier failure)")
    removal.expect_reason("notifier failure")
    with pytest.raises(AssertionError, match=r"for no reason \(expected: notifier failure\)"):
        busy.expect_reason("notifier failure")


def test_a_refusal_names_the_page_and_its_pin():
    told = str(make_removal(outcome=REFUSED, remark="memory32: EBUSY"))
    assert "with: memory32: EBUSY; pfn 0x100008 in node 1's ZONE_MOVABLE" in told
    assert "held by pid 93" in told


def test_a_removal_that_took_pins_with_it_is_no_pass():
    with pytest.raises(PinsLost, match="32768 page references of pins went with it"):
        make_removal(outcome=REMOVED, lost_pins=32768).expect(REMOVED)


def test_stuck_by_something_else_is_not_the_stuck_that_was_wanted():
    dumps = tuple(parse_dumps(SWAPPED.replace("10a2c1", "118000").splitlines()))
    with pytest.raises(UnexpectedOutcome, match=r"\(expected: stuck by a pin of the scenario\)"):
        make_removal(dumps=dumps).expect(STUCK)
    with pytest.raises(UnexpectedOutcome, match="by a pin"):
        make_removal(pins=(OUTSIDE,), dumps=()).expect(STUCK)
    make_removal(dumps=()).expect(STUCK)


def test_only_a_pin_that_held_it_up_can_be_undone():
    make_removal().expect_held_up()
    with pytest.raises(NotApplicable, match="the kernel removed the memory under this pin"):
        make_removal(outcome=REMOVED, pins=(OUTSIDE,)).expect_held_up()
    with pytest.raises(UnexpectedOutcome, match=r"^refused"):
        make_removal(outcome=REFUSED).expect_held_up()
    with pytest.raises(PinsLost):
        make_removal(outcome=REMOVED, lost_pins=1).expect_held_up()


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (None, Verdict.PASS),
        (AssertionError("x"), Verdict.FAIL),
        (UnexpectedOutcome(make_removal(), REMOVED), Verdict.FAIL),
        (PinRefused(12, "ibv_reg_mr"), Verdict.FAIL),
        (GuestDied("panic"), Verdict.FAIL),
        (GuestLost("killed"), Verdict.LOST),
        (HostProblem("disk full"), Verdict.LOST),
        (CapabilityAbsent("CONFIG_RDMA_RXE is not set"), Verdict.ABSENT),
        (NotApplicable("the kernel removed the memory"), Verdict.NOT_APPLICABLE),
        (Blocked("no headers: --without modules"), Verdict.BLOCKED),
        (Waived("--without modules"), Verdict.WAIVED),
        (pytest.skip.Exception("not today"), Verdict.WAIVED),
        (pytest.xfail.Exception("[NOTRUN]"), Verdict.WAIVED),
        (pytest.fail.Exception("DID NOT RAISE"), Verdict.FAIL),
        (TypeError("a typo in a scenario"), Verdict.ERROR),
        (OSError(2, "a path that is not in the guest"), Verdict.ERROR),
    ],
)
def test_only_evidence_against_the_kernel_fails_it(error, verdict):
    assert judge(error) is verdict


@pytest.mark.parametrize(
    ("changed", "counted"),
    [
        ({}, 32768),
        ({"zero_pages": 32768}, 0),
        ({"zero_pages": 1}, 32767),
        ({"long_term": False}, 0),
    ],
)
def test_what_the_kernel_counts_of_a_pin(changed, counted):
    assert make_pin(**changed).counted_pages == counted


class TestPin:
    COUNTED = Counters(
        {
            "nr_foll_pin_acquired": 40016,
            "nr_foll_pin_released": 32768,
            "pgmigrate_success": 32768,
        }
    )

    def test_migrated_pages_lie_elsewhere_and_were_counted(self):
        frames = PfnRuns.of([(0x8000, 32768)])
        make_pin(frames=frames, counted=self.COUNTED).expect_migrated_from(FRAMES)

    def test_a_page_left_in_the_zone_fails(self):
        frames = PfnRuns.of([(0x8000, 32767), (0x100008, 1)])
        with pytest.raises(AssertionError, match=r"1 pages of pid 93.*0x100008"):
            make_pin(frames=frames, counted=self.COUNTED).expect_migrated_from(FRAMES)

    @pytest.mark.parametrize("name", ["pgmigrate_success", "nr_foll_pin_released"])
    def test_neither_a_migration_nor_a_page_let_go_is_a_move_by_itself(self, name):
        counts = {"pgmigrate_success": 0, "nr_foll_pin_released": 0, name: 56}
        make_pin(counted=Counters(counts)).expect_unmoved()

    def test_pages_that_moved_are_told(self):
        with pytest.raises(AssertionError, match=r"had to move: 32768 let go, 32768 migrated"):
            make_pin(counted=self.COUNTED).expect_unmoved()

    def test_pages_that_never_moved_fail(self):
        frames = PfnRuns.of([(0x8000, 32768)])
        with pytest.raises(AssertionError, match="were not let go"):
            make_pin(frames=frames).expect_migrated_from(FRAMES)

    @pytest.mark.parametrize("seen", [0, 32767])
    def test_a_pagemap_without_all_pages_is_no_pass(self, seen):
        frames = PfnRuns.of([(0x8000, seen)] if seen else [])
        with pytest.raises(AssertionError, match=f"pagemap shows {seen} of the 32768 pages"):
            make_pin(frames=frames).expect_outside(FRAMES)


def test_the_lineage_is_sound():
    hashes = [change.hash for change in changes()]
    assert len(hashes) == len(set(hashes))
    assert all(len(commit) == 12 for commit in hashes)
    assert find_change("d1e153fea2a8").mainline == "5.13"
    for change in changes():
        if change.until:
            assert find_change(change.until)
        assert change.breaks or change.anywhere or not (change.until or change.mended)
    for commit in ("000000000000", "d1e1"):
        with pytest.raises(UsageProblem, match="not a change of the lineage"):
            find_change(commit)


def test_the_lineage_stands_oldest_first_and_names_rows_that_are_described():
    releases = [tuple(map(int, change.mainline.split("."))) for change in changes()]
    assert releases == sorted(releases)
    described = set(re.findall(r"^\| (\d+) \|", SCENARIOS.read_text(), re.MULTILINE))
    named = {str(row) for change in changes() for row in (*change.mends, *change.breaks)}
    assert named <= described


@pytest.mark.parametrize(
    ("version", "row", "commit"),
    [
        ((5, 10, 262), 1, "d1e153fea2a8"),
        ((5, 10, 262), 4, "8e3560d963d2"),
        ((5, 10, 262), 6, None),
        ((5, 13, 0), 1, None),
        ((6, 1, 192), 1, None),
        ((6, 1, 128), 22, None),
        ((6, 1, 129), 22, "1aaf8c122918"),
        ((6, 1, 154), 22, "1aaf8c122918"),
        ((6, 1, 155), 22, None),
        ((6, 12, 13), 22, None),
        ((6, 12, 35), 22, "1aaf8c122918"),
        ((6, 12, 36), 22, None),
        ((6, 15, 3), 22, "1aaf8c122918"),
        ((7, 2, 12), 22, None),
        ((6, 1, 129), 20, None),
        ((6, 1, 134), 20, "c8070b787519"),
        ((6, 1, 135), 20, None),
        ((6, 5, 0), 20, None),
        ((6, 11, 0), 26, "53ba78de064b"),
        ((6, 12, 4), 12, "94efde1d1539"),
        ((6, 12, 5), 12, None),
        ((6, 1, 192), 28, "89c1905d9c14"),
        ((6, 1, 158), 48, None),
        ((6, 12, 48), 48, None),
        ((6, 12, 57), 48, "86ebd50224c0"),
        ((6, 12, 65), 48, None),
        ((6, 16, 3), 48, "86ebd50224c0"),
        ((6, 17, 13), 48, "86ebd50224c0"),
        ((6, 18, 4), 48, None),
        ((7, 3, 4), 48, None),
        ((6, 14, 9), 76, None),
        ((6, 16, 3), 76, "2fae67ab63db"),
        ((7, 3, 4), 76, "2fae67ab63db"),
        ((7, 3, 4), 29, None),
        ((6, 12, 117), 28, None),
    ],
)
def test_known_bugs_follow_from_the_version(version, row, commit):
    bug = Lineage(version).known_bug(row)
    assert (bug.hash if bug else None) == commit


def test_a_vendor_says_what_a_version_does_not():
    fixed = Lineage((5, 10, 100), has=frozenset({"d1e153fea2a8", "8e3560d963d2"}))
    assert fixed.known_bug(1) is None
    assert fixed.known_bug(4) is None
    broken = Lineage((6, 1, 192), lacks=frozenset({"517f496e1e61"}))
    assert broken.known_bug(22).hash == "1aaf8c122918"


def test_the_catalogue_has_every_row_that_is_told():
    told = (Path(__file__).resolve().parents[2] / "docs/scenarios.md").read_text()
    table = told[told.index("| row | scenario |") :].partition("\n\n")[0]
    rows = {int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    assert catalogue() == rows
    assert catalogue() >= LONG_TERM


def test_a_page_that_no_pin_holds_is_told_with_its_cause_and_its_owner():
    owner = (
        "page_owner tracks the page as allocated\n"
        "page last allocated via order 0, migratetype Movable, gfp_mask 0x1(GFP_USER), pid 7, "
        "tgid 7 (writer), ts 1, free_ts 0\n"
        " post_alloc_hook+0x1/0x2\n shmem_alloc_folio+0x1/0x2\n shmem_write_begin+0x1/0x2\n"
    )
    dumps = tuple(parse_dumps((SWAPPED + owner).splitlines()))
    told = str(make_removal(pins=(OUTSIDE,), dumps=dumps, migrates_pins=True))
    assert "f183663901f2" in told
    assert "shmem_alloc_folio" in told or "shmem_write_begin" in told


@pytest.mark.parametrize(
    ("held", "counted", "steady", "lost"),
    [
        (0, -1, True, 1),  # one was let go that nobody had taken
        (0, -1, False, 0),  # as seen: taken and let go between the reading of both counts
        (0, 7, False, 0),
        (512, 512, True, 0),
        (512, 500, True, 12),
        (512, 500, False, 12),
        (512, -1, False, 512),
    ],
)
def test_references_lost_where_others_pin_meanwhile(
    held: int, counted: int, steady: bool, lost: int
):
    assert references_lost(held, counted, steady=steady) == lost
