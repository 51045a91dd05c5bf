# SPDX-License-Identifier: Apache-2.0
"""What keeps a dumped page, from dumps in the kernel's shape."""

from dataclasses import replace

import pytest

from hotremove.observe.pagedump import PageDump, cause_of, explain, parse_dumps, split_refcount

FREE_STACK = """\
page_owner tracks the page as allocated
page last allocated via order 0, migratetype Movable, gfp_mask 0x1420ca(GFP_TRANSHUGE_LIGHT), \
pid 7, tgid 7 (driver), ts 1, free_ts 2
 post_alloc_hook+0x61/0x70
 get_page_from_freelist+0x4e1/0x510
 __alloc_pages+0xd5/0x230
 driver_fill+0x1c/0x40 [driver]
page last free pid 3 tgid 3 stack trace:
"""


def only(text: str) -> PageDump:
    (dump,) = parse_dumps(text.splitlines())
    return dump


def dumped(
    *lines: str,
    counts: str = "refcount:2 mapcount:0",
    mapping: int = 0,
    why: str = "",
    ret: int = 1,
) -> PageDump:
    """A dump as of 6.12; `why` is "" for a migration that failed with `ret`."""
    before = [] if why else [f"migrating pfn 14a2c1 failed ret:{ret}"]
    return only(
        "\n".join(
            [
                *before,
                f"page: {counts} mapping:{mapping:016x} index:0x55d0a1 pfn:0x14a2c1",
                *lines,
                f"page dumped because: {why or 'migration failure'}",
            ]
        )
    )


ANON = "anon flags: 0x1(uptodate|dirty|lru|swapbacked|node=1|zone=3)"
FILE = "flags: 0x1(uptodate|dirty|lru|node=1|zone=3)"
SHMEM = "flags: 0x1(uptodate|active|owner_priv_1|reclaim|swapbacked|node=1|zone=3)"
UNMOVABLE = "unmovable page"
PLAIN = "flags: 0x1(node=1|zone=2)"

CAUSES = {
    "pinned": dumped(ANON, counts="refcount:1026 mapcount:1"),
    "pinned-large": dumped(
        "head: order:4 mapcount:16 entire_mapcount:0 nr_pages_mapped:16 pincount:1",
        ANON,
        counts="refcount:18 mapcount:1",
    ),
    "pinned-partly-mapped": dumped(
        "head: order:4 mapcount:3 entire_mapcount:0 nr_pages_mapped:3 pincount:1",
        ANON,
        counts="refcount:5 mapcount:1",
    ),
    "foll-get": dumped(ANON, counts="refcount:3 mapcount:1"),
    "device-exclusive": dumped(ANON, counts="refcount:2 mapcount:0"),
    "swap-cache": dumped("aops:swap_aops", SHMEM, mapping=0xAA11BB22),
    "buffers": dumped(
        "aops:def_blk_aops ino:800001",
        "flags: 0x1(referenced|dirty|lru|private|node=1|zone=3)",
        counts="refcount:3 mapcount:0",
        mapping=0x144CCD79,
    ),
    "writeback": dumped(
        "aops:xfs_address_space_operations [xfs] ino:2b",
        "flags: 0x1(dirty|lru|writeback|node=1|zone=3)",
        mapping=0x144CCD79,
    ),
    "hugetlb-no-room": dumped(
        "head: order:9 mapcount:1 entire_mapcount:1 nr_pages_mapped:0 pincount:0",
        "anon flags: 0x1(referenced|uptodate|dirty|head|node=1|zone=3)",
        "page_type: f4(hugetlb)",
        counts="refcount:2 mapcount:0",
        ret=-12,
    ),
    "no-memory": dumped(ANON, counts="refcount:2 mapcount:1", ret=-12),
    "reserved": dumped(
        "flags: 0x1(reserved|node=1|zone=2)", counts="refcount:1 mapcount:0", why=UNMOVABLE
    ),
    "slab": dumped(PLAIN, "page_type: f5(slab)", counts="refcount:1 mapcount:0", why=UNMOVABLE),
    "page-table": dumped(PLAIN, "page_type: f2(table)", why=UNMOVABLE),
    "offline-page": dumped(PLAIN, "page_type: f1(offline)", why=UNMOVABLE),
    "free": dumped(
        PLAIN, "page_type: 0xffffff7f(buddy)", counts="refcount:0 mapcount:-127", why=UNMOVABLE
    ),
    "kernel": dumped(PLAIN, counts="refcount:1 mapcount:0", why=UNMOVABLE),
    "movable-non-lru": dumped(
        PLAIN, "page_type: f6(zsmalloc)", counts="refcount:2 mapcount:0", why="isolation failed"
    ),
    "hwpoison": dumped("anon flags: 0x1(uptodate|swapbacked|hwpoison|node=1|zone=3)"),
    "freed-pinned": dumped(
        "head: order:9 mapcount:0 entire_mapcount:0 nr_pages_mapped:0 pincount:1",
        "anon flags: 0x1(head|swapbacked)",
        counts="refcount:0 mapcount:0",
        why="nonzero pincount",
    ),
    "freed": dumped(PLAIN, counts="refcount:0 mapcount:1", why="nonzero mapcount"),
    "unmovable-file": dumped(
        "aops:secretmem_aops ino:3", FILE, counts="refcount:3 mapcount:1", mapping=0x144CCD79
    ),
    "off-lru": dumped(
        "anon flags: 0x1(uptodate|swapbacked|node=1|zone=3)",
        counts="refcount:2 mapcount:1",
        why="isolation failed",
    ),
    "check": dumped(ANON, counts="refcount:1 mapcount:1", why="VM_BUG_ON_PAGE(PageTail(page))"),
    "changing": dumped(ANON, counts="refcount:2 mapcount:2"),
    "transient": dumped(ANON, counts="refcount:2 mapcount:1"),
}


@pytest.mark.parametrize("kind", CAUSES)
def test_cause(kind: str) -> None:
    dump = CAUSES[kind]
    cause = cause_of(dump)
    assert cause.kind == kind
    assert cause.words
    assert not cause.words.endswith(".")
    assert cause.words in explain(dump)


@pytest.mark.parametrize("kind", CAUSES)
def test_shares_add_up(kind: str) -> None:
    split = split_refcount(CAUSES[kind])
    assert sum(part.count for part in split.parts) - split.missing == split.refcount


@pytest.mark.parametrize("kind", sorted(set(CAUSES) - {"transient"}))
def test_transient_is_said_only_where_nothing_says_otherwise(kind: str) -> None:
    assert "may have been transient" not in explain(CAUSES[kind])


def test_what_fails_again_is_not_transient() -> None:
    again = cause_of(CAUSES["transient"], times=2)
    assert again.kind == "unexplained"
    assert "it failed again and again, so it is not transient" in again.words
    assert "transient" not in explain(CAUSES["pinned"], times=2)
    assert "it failed again and again: not transient" in cause_of(CAUSES["buffers"], times=3).words


def test_what_is_no_user_s_is_said_to_be_none() -> None:
    for kind in ("reserved", "slab", "page-table", "kernel"):
        assert "no user holds it and it is no page cache" in cause_of(CAUSES[kind]).words
        assert "short-term" not in explain(CAUSES[kind])
        assert "(page cache)" not in explain(CAUSES[kind])


def test_the_changes_that_swap_cache_hangs_on_are_named() -> None:
    words = cause_of(CAUSES["swap-cache"]).words
    assert "86ebd50224c0 (6.16)" in words
    assert "f183663901f2" in words
    assert "no pin" in words


def test_an_anonymous_page_in_the_swap_cache_is_not_blamed_for_it() -> None:
    dump = dumped(ANON, mapping=0xAA11BB22)
    assert str(split_refcount(dump)) == "refcount 2 = 1 (swap cache) + 1 (isolation)"
    assert cause_of(dump).kind == "transient"


def test_want_of_memory_comes_before_references_that_were_never_tried() -> None:
    dump = replace(CAUSES["hugetlb-no-room"], refcount=3)
    assert cause_of(dump).kind == "hugetlb-no-room"
    assert "-ENOMEM" in cause_of(dump).words


def test_a_hugetlb_page_without_a_type_is_known_by_what_it_lacks() -> None:
    text = """\
migrating pfn 100000 failed ret:-12
page:000000000690a312 refcount:2 mapcount:1 mapping:0000000000000000 index:0x7fa3f4000 pfn:0x100000
head:000000000690a312 order:9 compound_mapcount:1 compound_pincount:0
anon flags: 0x5fffffc009000e(referenced|uptodate|dirty|head)
page dumped because: migration failure
"""
    assert cause_of(only(text)).kind == "hugetlb-no-room"
    assert "(hugetlb, order 9)" in explain(only(text))


@pytest.mark.parametrize("refcount", [-1, -1024, -1023])
def test_a_page_unpinned_too_often(refcount: int) -> None:
    dump = dumped(PLAIN, counts=f"refcount:{refcount} mapcount:0", why="nonzero _refcount")
    assert cause_of(dump).kind == ("freed" if refcount == -1 else "freed-pinned")


@pytest.mark.parametrize(
    "why", ["kasan: bad access detected", "VM_BUG_ON_FOLIO(folio_ref_count(folio) <= 0)"]
)
def test_a_free_page_that_was_used_was_not_freed_wrongly(why: str) -> None:
    cause = cause_of(dumped(PLAIN, counts="refcount:0 mapcount:0", why=why))
    assert cause.kind == "check"
    assert cause.words.endswith(f"{why}; no reference of it was left")


def test_freed_with_a_pin_names_both_counts() -> None:
    assert "(refcount 0, pincount 1): a pin was leaked or released twice" in (
        cause_of(CAUSES["freed-pinned"]).words
    )
    assert "changed while" not in explain(CAUSES["freed-pinned"])
    assert "long-term pin" not in explain(CAUSES["freed-pinned"])


def test_a_pinned_page_that_is_not_exclusive() -> None:
    text = """\
page: refcount:512 mapcount:0 mapping:0000000000000000 index:0x20000 pfn:0x13b400
head: order:9 mapcount:511 entire_mapcount:0 nr_pages_mapped:511 pincount:1
anon flags: 0x5ffc0000002107c(referenced|uptodate|dirty|lru|head|swapbacked|node=1|zone=3)
page dumped because: VM_BUG_ON_PAGE(!PageAnonExclusive(&folio->page) && !PageAnonExclusive(page))
"""
    told = explain(only(text))
    assert "1 long-term pin (FOLL_PIN) of a THP, 511 of whose 512 pages are mapped" in told
    assert "an anonymous page that is not exclusive" in told
    exclusive = replace(only(text), flags=("mappedtodisk",))
    assert "that is not exclusive" not in explain(exclusive)


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        (("mapping->a_ops:z3fold_aops", PLAIN), "z3fold"),
        (("aops:balloon_aops ino:1", PLAIN), "balloon"),
        (("aops:zsmalloc_aops ino:1", PLAIN), "zsmalloc"),
        ((PLAIN, "page_type: f6(zsmalloc)"), "zsmalloc"),
    ],
)
def test_whose_driver_has_to_move_it(lines: tuple[str, ...], name: str) -> None:
    cause = cause_of(dumped(*lines, mapping=0x55667788, why="isolation failed"))
    assert cause.kind == "movable-non-lru"
    assert cause.words.startswith(f"a {name} page: movable, not on the LRU")


def test_a_movable_page_of_6_1_is_known_by_its_mapping_word() -> None:
    dump = dumped(
        PLAIN,
        "raw: 0017ffffc0000000 ffffb0c4801b3d38 ffffb0c4801b3d38 ffffffffc0a1b2c2",
        "raw: 0000000000000000 0000000000000000 00000002ffffffff 0000000000000000",
        why="isolation failed",
    )
    assert cause_of(dump).kind == "movable-non-lru"


def test_a_slab_page_is_not_taken_for_movable_by_its_words() -> None:
    dump = dumped(
        "flags: 0x1(slab|node=1|zone=2)",
        "raw: 0017ffffc0000200 ffff88800405d800 ffffb0c4801b3d38 ffff88800405d802",
        why=UNMOVABLE,
    )
    assert cause_of(dump).kind == "slab"


def test_memory_that_is_not_online() -> None:
    text = """\
page:ffffea0004c5c000 is uninitialized and poisoned
raw: ffffffffffffffff ffffffffffffffff ffffffffffffffff ffffffffffffffff
page dumped because: VM_BUG_ON_PAGE(PagePoisoned(p))
"""
    assert cause_of(only(text)).kind == "uninitialised"
    assert "refcount" not in explain(only(text))


def test_a_slab_page_has_no_reference_from_6_14_on() -> None:
    lines = (PLAIN, "page_type: f5(slab)")
    for why in (UNMOVABLE, "hwpoison: unhandlable page"):
        assert cause_of(dumped(*lines, counts="refcount:0 mapcount:0", why=why)).kind == "slab"


def test_the_function_that_allocated_a_kernel_page_is_named() -> None:
    text = f"""\
page: refcount:1 mapcount:0 mapping:0000000000000000 index:0x0 pfn:0x157f00
{PLAIN}
page dumped because: unmovable page
{FREE_STACK}"""
    assert "allocated by the kernel for itself by driver_fill" in cause_of(only(text)).words
