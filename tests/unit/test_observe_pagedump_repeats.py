# SPDX-License-Identifier: Apache-2.0
"""Pages that a kernel dumps again and again, and pages for which an offline was refused."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotremove.observe.kernellog.stretch import stretches
from hotremove.observe.pagedump import DumpedPages, group_alike, page_facts
from hotremove.observe.pagedump.repeats import MOST_PAGES
from hotremove.observe.pagedump.words import span


def attempt(seconds: float, pfn: int = 0x1727813, *, refcount: int = 3) -> list[str]:
    stamp = f"[{seconds:12.6f}]"
    return [
        f"{stamp} migrating pfn {pfn:x} failed ret:1",
        f"{stamp} page: refcount:{refcount} mapcount:0 mapping:00000000144ccd79 index:0x1"
        f" pfn:{pfn:#x}",
        f"{stamp} aops:def_blk_aops ino:800001",
        f"{stamp} flags: 0x1(referenced|dirty|active|private|node=1|zone=3)",
        f"{stamp} page dumped because: migration failure",
    ]


def unmovable(pfn: int) -> list[str]:
    return [
        "[    1.000000] page: refcount:1 mapcount:0 mapping:0000000000000000 index:0x0"
        f" pfn:{pfn:#x}",
        "[    1.000000] flags: 0x1(reserved|node=1|zone=2)",
        "[    1.000000] page dumped because: unmovable page",
    ]


REFUSED = (
    "[    1.000020] memory offlining [mem 0x150000000-0x157ffffff] failed due to"
    " failure to isolate range"
)


def test_a_page_is_told_once() -> None:
    lines = [line for number in range(120) for line in attempt(100 + number * 600 / 119)]
    (page,) = DumpedPages.of(lines).pages
    assert (page.times, page.first, page.last) == (120, 100, 700)
    assert page.explanation.startswith(
        "pfn 0x1727813 (file, def_blk_aops, node 1, zone 3), 120 times in 10 min, the last at"
        " 700 s: block-device page cache with private data (buffers)"
    )
    assert "may have been transient" not in page.explanation


def test_once_is_not_counted() -> None:
    (page,) = DumpedPages.of(attempt(100)).pages
    assert page.often == ""
    assert "times" not in page.explanation


def test_a_log_without_stamps_counts_all_the_same() -> None:
    lines = [line[15:] for number in range(3) for line in attempt(number)]
    (page,) = DumpedPages.of(lines).pages
    assert page.often == "3 times"


def test_a_page_held_by_another_cause_later_is_told_again() -> None:
    lines = [*attempt(1), *attempt(2, refcount=4)]
    assert [page.cause.kind for page in DumpedPages.of(lines).pages] == ["buffers", "foll-get"]


def test_a_dump_that_is_cut_short_is_one_more_of_the_same() -> None:
    (page,) = DumpedPages.of([*attempt(1), *attempt(2)[:3]]).pages
    assert (page.times, page.last, page.cause.kind) == (2, 2, "buffers")
    assert page.dump.reason == "migration failure"


def test_pages_held_alike_are_told_together() -> None:
    lines = [line for at in (1, 3) for pfn in range(0x100, 0x105) for line in attempt(at, pfn)]
    (alike,) = group_alike(DumpedPages.of(lines).pages)
    assert str(alike).startswith(
        "5 pages (file, def_blk_aops, node 1, zone 3), pfn 0x100, pfn 0x101, pfn 0x102 and 2 more,"
        " in all 10 times in 2 s, the last at 3 s: block-device page cache"
    )


def test_pages_held_alike_that_came_once_each_are_not_counted() -> None:
    lines = [line for pfn in (0x100, 0x101) for line in attempt(1, pfn)]
    (alike,) = group_alike(DumpedPages.of(lines).pages)
    assert "pfn 0x100, pfn 0x101: block-device" in str(alike)


def test_ends_of_lines_do_not_matter() -> None:
    lines = ["x\n"] * 5000 + [f"{line}\r\n" for line in attempt(1)] + ["y"] * 5000
    assert [page.dump.start for page in DumpedPages.of(lines).pages] == [5002]


@pytest.mark.parametrize("shift", [4092, 4093, 4094, 4095, 4096])
def test_stretches_do_not_matter(shift: int) -> None:
    lines = ["[    0.000001] nothing to see"] * shift + attempt(1)
    (page,) = DumpedPages.of(lines).pages
    assert (page.dump.ret, page.dump.aops, page.dump.end) == (1, "def_blk_aops", shift + 5)


def test_the_memory_that_was_refused_is_named() -> None:
    lines = [*unmovable(0x157F00), *unmovable(0x157C01), *unmovable(0x200000), REFUSED]
    first, second, elsewhere = DumpedPages.of(lines).pages
    assert first.refused == second.refused == "0x150000000-0x157ffffff"
    assert "The offline of 0x150000000-0x157ffffff was refused for it." in first.explanation
    assert elsewhere.refused == ""


def test_a_page_that_could_not_be_migrated_was_not_what_an_offline_was_refused_for() -> None:
    (page,) = DumpedPages.of([*attempt(1, 0x157F00), REFUSED]).pages
    assert page.refused == ""


def test_memory_is_bounded() -> None:
    lines = (line for pfn in range(1, MOST_PAGES + 4) for line in attempt(1, pfn))
    found = DumpedPages.of(lines)
    assert len(found.pages) == MOST_PAGES
    assert found.left_out == 3


def test_memory_is_bounded_where_a_known_page_is_held_otherwise() -> None:
    full = [line for pfn in range(1, MOST_PAGES + 1) for line in attempt(1, pfn)]
    found = DumpedPages.of([*full, *attempt(2, 1, refcount=1027), *attempt(3, 1, refcount=1027)])
    assert len(found.pages) == MOST_PAGES
    assert found.left_out == 2


def test_dumps_of_callers_that_fell_silent_are_ended() -> None:
    lines = [
        line.replace("]", f"][ {f'T{number}':>5}]", 1)
        for number in range(1, 300)
        for line in attempt(1, number)
    ]
    pages = DumpedPages()
    for stretch in stretches(lines):
        pages.read(stretch)
    pages.end()
    assert len(pages._parser.open) < 50
    assert len(pages.pages) == 299


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (10.04, "10 s"), (119, "119 s"), (600, "10 min"), (9000, "2.5 h")],
)
def test_span(seconds: float, words: str) -> None:
    assert span(seconds) == words


LOGS = sorted((Path(__file__).parents[1] / "golden").glob("*page*.log"))
PIECES = sorted({line for log in LOGS for line in log.read_text("utf-8").split("\n")})
MARRED = st.tuples(st.sampled_from(PIECES), st.sampled_from(["-", "²", "0x", "9" * 50]))


@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(PIECES),
            MARRED.map(lambda pair: pair[0].replace(":", f":{pair[1]}")),
            st.tuples(st.sampled_from(PIECES), st.integers(0, 90)).map(lambda p: p[0][: p[1]]),
            st.text(max_size=40),
        ),
        max_size=60,
    )
)
def test_any_log_is_survived(lines: list[str]) -> None:
    pages = DumpedPages.of(lines)
    for page in pages.pages:
        assert 1 <= page.dump.start <= page.dump.end <= len(lines)
        assert page.cause.words in page.explanation
        assert json.dumps(page_facts(page))
    assert sum(len(alike.pages) for alike in group_alike(pages.pages)) == len(pages.pages)
    assert all(map(str, group_alike(pages.pages)))
