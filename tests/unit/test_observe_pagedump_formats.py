# SPDX-License-Identifier: Apache-2.0
"""Page dumps of old kernels, and what page_owner prints below one."""

import pytest

from hotremove.observe.pagedump import PageDump, PageOwner, cause_of, parse_dumps, split_refcount

OWNER = """\
failed to isolate pfn 1662b0
page:0000000011223344 refcount:2 mapcount:0 mapping:0000000055667788 index:0x0
mapping->a_ops:z3fold_aops
flags: 0x17fffc000000000()
page dumped because: isolation failed
page_owner tracks the page as allocated
page last allocated via order 2, migratetype Unmovable, \
gfp_mask 0x12800(GFP_NOWAIT|__GFP_NOWARN), pid 412, tgid 400 (kswapd0), ts 5000, free_ts 0
 [<ffffffff81223344>] prep_new_page+0xaa/0xc0
 get_page_from_freelist+0x1c3/0x310
 __alloc_pages+0xd5/0x230
 z3fold_zpool_malloc+0x6cc/0xe20 [z3fold]
 zswap_frontswap_store.cold+0x1/0x30
page last free pid 9 tgid 9 stack trace:
 free_pcp_prepare+0x1c3/0x310
 free_unref_page+0x1e/0x1b0
 unmap_page_range+0xb5/0x230
page has been migrated, last migrate reason: compaction
Modules linked in: z3fold
Call Trace:
 dump_stack+0x1/0x2
"""


def only(text: str) -> PageDump:
    (dump,) = parse_dumps(text.splitlines())
    return dump


def first_line(text: str, *, flags: str = "flags: 0x1(uptodate|swapbacked)") -> PageDump:
    return only(f"{text}\n{flags}\npage dumped because: migration failure\n")


def test_count_of_4_x() -> None:
    dump = first_line(
        "page:ffffea0004c5c000 count:1026 mapcount:1 mapping:ffff88006acac0c1 index:0x7f0000000"
    )
    assert (dump.refcount, dump.kind, dump.cached) == (1026, "anon", False)
    assert cause_of(dump).kind == "pinned"


def test_blanks_before_a_null_mapping() -> None:
    line = "page:ffffea0004c5c000 count:2 mapcount:0 mapping:          (null) index:0x1"
    assert not first_line(line).cached


def test_compound_mapcount_on_the_first_line() -> None:
    line = (
        "page:ffffea0004c58000 refcount:514 mapcount:1 mapping:ffff88006acac0c1 index:0x7f0000000"
        " compound_mapcount: 1"
    )
    assert first_line(line, flags="anon flags: 0x1(head|swapbacked)").entire_mapcount == 1


def test_order_and_pincount_on_the_first_line() -> None:
    dump = first_line(
        "page:ffffea0004c58000 refcount:514 mapcount:1 mapping:0000000000000000 index:0x7f0000000"
        " head:ffffea0004c58000 order:9 compound_mapcount:1 compound_pincount:512",
        flags="anon flags: 0x1(head|swapbacked)",
    )
    assert (dump.order, dump.pincount, dump.entire_mapcount) == (9, 512, 1)
    assert str(split_refcount(dump)).startswith("refcount 514 = 512 (512 long-term pins) + 1 (map")


@pytest.mark.parametrize(
    ("bits", "kind", "cached", "movable"),
    [(0, "file", True, False), (1, "anon", False, False), (2, "", False, True), (3, "ksm", 0, 0)],
)
def test_an_address_has_the_mapping_bits(bits: int, kind: str, cached: bool, movable: bool) -> None:
    address = f"{0xFFFF88006ACAC0C0 + bits:x}"
    dump = first_line(f"page:ffffea0004c5c000 refcount:2 mapcount:0 mapping:{address} index:0x1")
    assert (dump.kind, dump.cached, dump.movable) == (kind, cached, movable)


def test_a_hashed_mapping_has_no_bits() -> None:
    dump = first_line("page:0000000011 refcount:2 mapcount:0 mapping:00000000c1b7a0d1 index:0x1")
    assert (dump.kind, dump.cached) == ("file", True)


@pytest.mark.parametrize(
    ("line", "kind", "aops"),
    [
        ('shmem_aops name:"dev/zero"', "file", "shmem_aops"),
        ("xfs_address_space_operations [xfs] ", "file", "xfs_address_space_operations"),
        ("anon ", "anon", ""),
        ("ksm ", "ksm", ""),
    ],
)
def test_the_kind_on_a_line_of_its_own(line: str, kind: str, aops: str) -> None:
    page = "page:ffffea0004c5c000 refcount:2 mapcount:0 mapping:ffff88006acac0c0 index:0x1"
    dump = first_line(f"{page}\n{line}")
    assert (dump.kind, dump.aops) == (kind, aops)


def test_page_flags_of_3_x() -> None:
    page = "page:ffffea0004c5c000 count:0 mapcount:0 mapping:          (null) index:0x1"
    assert first_line(page, flags="page flags: 0x100000000000400(reserved)").flags == ("reserved",)


def test_the_line_before_names_the_page() -> None:
    assert only(OWNER).pfn == 0x1662B0
    bad = "BUG: Bad page state in process holder  pfn:15c001\n"
    page = "page:ffffea0004c5c000 count:0 mapcount:1 mapping:          (null) index:0x1\n"
    assert only(bad + page).pfn == 0x15C001


def test_page_owner() -> None:
    dump = only(OWNER)
    assert dump.owner == PageOwner(
        state="allocated",
        order=2,
        migratetype="Unmovable",
        gfp="GFP_NOWAIT|__GFP_NOWARN",
        pid=412,
        comm="kswapd0",
        allocated_by=(
            "prep_new_page",
            "get_page_from_freelist",
            "__alloc_pages",
            "z3fold_zpool_malloc",
            "zswap_frontswap_store",
        ),
        freed_by=("free_pcp_prepare", "free_unref_page", "unmap_page_range"),
        migrated="compaction",
    )
    assert (dump.owner.allocator, dump.owner.freer) == ("z3fold_zpool_malloc", "unmap_page_range")
    assert dump.end == len(OWNER.splitlines()) - 3


def test_page_owner_in_words() -> None:
    assert str(only(OWNER).owner) == (
        "allocated by z3fold_zpool_malloc < zswap_frontswap_store (order 2, Unmovable,"
        " GFP_NOWAIT|__GFP_NOWARN, pid 412 kswapd0); last freed by unmap_page_range;"
        " migrated before, for compaction"
    )


def test_page_owner_of_older_kernels() -> None:
    text = OWNER.partition("page_owner")[0] + (
        "page allocated via order 0, migratetype Movable, gfp_mask 0x14200ca(GFP_HIGHUSER_MOVABLE)"
        "\n do_anonymous_page+0x1/0x2\n"
    )
    owner = only(text).owner
    assert owner
    assert (owner.allocator, owner.pid) == ("do_anonymous_page", None)


def test_a_call_trace_below_a_dump_is_no_owner_s() -> None:
    text = OWNER.partition("page_owner")[0] + "Call Trace:\n dump_stack+0x1/0x2\n"
    assert only(text).owner is None
