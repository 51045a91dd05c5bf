# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotremove.observe.pagedump import PageDump, explain, parse_dumps, split_refcount

OLD = """\
[   31.402811] migrating pfn 100008 failed ret:1
[   31.402813] page:00000000d61bd3f3 refcount:1026 mapcount:1 mapping:0000000000000000 \
index:0x7f1d5a000 pfn:0x100008
[   31.402816] anon flags: 0x17ffffc008000d(locked|uptodate|dirty|swapbacked)
[   31.402820] raw: 0017ffffc008000d ffffb0c4801b3d38 ffffb0c4801b3d38 ffff8c1a42d0a661
[   31.402822] raw: 00000007f1d5a000 0000000000000000 0000040200000000 ffff8c1a41a3c000
[   31.402823] page dumped because: migration failure
[   31.402825] page->mem_cgroup:ffff8c1a41a3c000
"""

NEW = """\
[   52.118804] migrating pfn 1400a2 failed ret:-11
[   52.118807] page: refcount:1540 mapcount:1 mapping:0000000000000000 index:0x7f2c8a2 pfn:0x1400a2
[   52.118810] head: order:9 mapcount:1 entire_mapcount:1 nr_pages_mapped:8388608 pincount:512
[   52.118812] memcg:ffff9a1e05b2c000
[   52.118815] anon flags: 0x17ffffc0020849(locked|uptodate|private|head|swapbacked|node=1|zone=3)
[   52.118820] raw: 0017ffffc0020849 fffff1c505000001 dead000000000122 dead000000000400
[   52.118826] head: 0017ffffc0020849 0000000000000000 dead000000000122 ffff9a1e049f3a31
[   52.118829] page dumped because: migration failure
"""

ANON = PageDump(refcount=2, mapcount=1, kind="anon", reason="migration failure")


def only(text: str) -> PageDump:
    (dump,) = parse_dumps(text.splitlines())
    return dump


def test_old_generation() -> None:
    dump = only(OLD)
    assert (dump.refcount, dump.mapcount, dump.pfn) == (1026, 1, 0x100008)
    assert (dump.kind, dump.cached, dump.order) == ("anon", False, 0)
    assert dump.flags == ("locked", "uptodate", "dirty", "swapbacked")
    assert (dump.reason, dump.ret) == ("migration failure", 1)
    assert (dump.start, dump.end) == (2, 7)


def test_old_generation_explained() -> None:
    assert str(split_refcount(only(OLD))) == (
        "refcount 1026 = 1024 (1 long-term pin) + 1 (mapping) + 1 (isolation)"
    )
    assert explain(only(OLD)).startswith(
        "pfn 0x100008 (anon): 1 long-term pin (FOLL_PIN): it stays until its owner unpins it."
        " Its refcount 1026 = "
    )
    assert "migrate_pages() returned 1: 1 page of its batch left" in explain(only(OLD))


def test_new_generation() -> None:
    dump = only(NEW)
    assert (dump.order, dump.pincount, dump.folio_mapcount, dump.ret) == (9, 512, 1, -11)
    assert (dump.location("node"), dump.location("zone")) == (1, 3)


def test_large_folio_counts_pins_one_by_one() -> None:
    split = split_refcount(only(NEW))
    assert (split.pins, split.pinned, split.mappings, split.isolation) == (512, 512, 1, 1)
    assert split.short_term == 1540 - 514
    assert split.exact


def test_foll_get_is_told_from_a_pin() -> None:
    split = split_refcount(replace(ANON, refcount=3))
    assert (split.pins, split.short_term) == (0, 1)
    assert str(split) == (
        "refcount 3 = 1 (mapping) + 1 (isolation)"
        " + 1 (short-term reference by FOLL_GET, as vmsplice or direct I/O take)"
    )


@pytest.mark.parametrize(
    ("refcount", "mapcount", "pins", "short_term", "missing"),
    [
        (1026, 1, 1, 0, 0),
        (2050, 1, 2, 0, 0),
        (1027, 1, 1, 1, 0),
        (1024, 1, 1, 0, 2),  # the mapping went while the dump was printed
        (1026, 1025, 0, 0, 0),  # a thousand mappings are not a pin
        (2, 1, 0, 0, 0),
        (0, 0, 0, 0, 1),
    ],
)
def test_shares(refcount: int, mapcount: int, pins: int, short_term: int, missing: int) -> None:
    split = split_refcount(replace(ANON, refcount=refcount, mapcount=mapcount))
    assert (split.pins, split.short_term, split.missing) == (pins, short_term, missing)


def test_page_cache_and_buffers_hold_references() -> None:
    text = """\
page:000000003a1f9f0b refcount:4 mapcount:0 mapping:00000000c1b7a0de index:0x12 pfn:0x1000f1
aops:ext4_aops ino:2b dentry name:"data"
flags: 0x17ffffc0002036(referenced|uptodate|lru|active|private)
page dumped because: migration failure
"""
    dump = only(text)
    assert (dump.kind, dump.cached) == ("file", True)
    assert str(split_refcount(dump)).startswith(
        "refcount 4 = 1 (page cache) + 1 (private data: buffers or a filesystem's own)"
        " + 1 (isolation) + 1 (short-term reference"
    )


def test_a_folio_with_unknown_mappings_is_said_to_be_a_least() -> None:
    text = """\
page:00000000aaaaaaaa refcount:514 mapcount:1 mapping:0000000000000000 index:0x1 pfn:0x100001
head:00000000bbbbbbbb order:9 compound_mapcount:0 compound_pincount:1
anon flags: 0x17ffffc0010000(head)
page dumped because: migration failure
"""
    dump = only(text)
    split = split_refcount(dump)
    assert (split.pins, split.pinned, split.exact) == (1, 1, False)
    assert "at least" in explain(dump)


def test_each_caller_has_its_own_dump() -> None:
    first, second = OLD.splitlines()[1:6], OLD.splitlines()[1:6]
    mixed = []
    for one, two in zip(first, second, strict=True):
        mixed.append(one.replace("] ", "][    T7] ", 1).replace("100008", "100009"))
        mixed.append(two.replace("] ", "][    T8] ", 1))
    dumps = parse_dumps(mixed)
    assert [dump.pfn for dump in dumps] == [0x100009, 0x100008]
    assert {dump.reason for dump in dumps} == {"migration failure"}


def test_a_dump_cut_short_keeps_what_was_there() -> None:
    dump = only("\n".join(OLD.splitlines()[:2]))
    assert (dump.refcount, dump.reason, dump.flags) == (1026, None, ())
    assert split_refcount(dump).isolation == 1
    assert explain(dump)


def test_lines_of_others_after_the_reason_are_not_the_dumps() -> None:
    dump = only(OLD + "[   31.5] anon flags: 0x1(locked)\n")
    assert dump.end == 7


def test_page_type_is_shown() -> None:
    text = "page: refcount:0 mapcount:0 mapping:0000000000000000 index:0x0 pfn:0x1\n"
    assert only(text + "page_type: f0(buddy)").page_type == "f0(buddy)"


@settings(deadline=None)
@given(st.lists(st.sampled_from([*OLD.splitlines(), *NEW.splitlines(), "x", ""]) | st.text()))
def test_any_text_is_survived(lines: list[str]) -> None:
    for dump in parse_dumps(lines):
        split = split_refcount(dump)
        assert sum(part.count for part in split.parts) - split.missing == split.refcount
        assert explain(dump)
