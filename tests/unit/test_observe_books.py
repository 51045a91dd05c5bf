# SPDX-License-Identifier: Apache-2.0
"""What does not add up in a machine's books is named; what does is not."""

from dataclasses import replace

import pytest

from hotremove.observe.books import (
    MACHINE,
    TOLERANCE,
    Books,
    count_unaccounted,
    find_errors,
    parse_isolated_blocks,
)
from hotremove.observe.counters import Counters, Zone, parse_meminfo
from hotremove.observe.pagemap import MemoryBlock, PfnRuns
from hotremove.units import MIB

BLOCK = 32768
BOOT = MemoryBlock(3, PfnRuns.of([(3 * BLOCK, BLOCK)]), "online", ("DMA32",), 1)
NORMAL = Zone(1, "DMA32", present=BLOCK - 10, spanned=BLOCK, managed=BLOCK - 500)
PAGETYPES = """\
Page block order: 9
Pages per block:  512

Free pages count per migrate type at order       0      1
Node    1, zone  Movable, type      Isolate      0      0

Number of blocks type     Unmovable      Movable  Reclaimable   HighAtomic      Isolate
Node 0, zone      DMA            1            7            0            0            0

Number of blocks type     Unmovable      Movable  Reclaimable   HighAtomic      Isolate
Node 1, zone    DMA32           21           43            0            0            0
Node 1, zone  Movable            0          256            0            0            2
"""


def pins(acquired, released):
    return Counters({"nr_foll_pin_acquired": acquired, "nr_foll_pin_released": released})


def dimm(*indexes, state="online"):
    return tuple(
        MemoryBlock(n, PfnRuns.of([(n * BLOCK, BLOCK)]), state, ("Movable",), 1) for n in indexes
    )


def books(blocks=(), pages=0, span=0, **more):
    movable = Zone(1, "Movable", present=pages, spanned=span, managed=pages)
    none = {"pins": {}, "isolated": 0, "isolated_blocks": {}, "unaccounted": 0}
    return Books(**{**none, **more}, zones=(NORMAL, movable), blocks=(BOOT, *blocks))


def isolated(pages: int) -> Counters:
    return Counters({"nr_isolated_anon": pages})


def test_what_a_node_that_left_had_yet_to_count_is_not_missed():
    stays, leaves = {"node 0": isolated(0)}, {"node 1": isolated(0)}
    before = books(isolated=0, pins={**stays, **leaves, MACHINE: isolated(0)})
    assert find_errors(before, books(isolated=7, pins={**stays, MACHINE: isolated(7)})) == []
    left_isolated = {"node 0": isolated(7), MACHINE: isolated(7)}
    assert find_errors(before, books(isolated=7, pins=left_isolated)) == [
        "the machine: 7 pages are isolated with nothing going on (nr_isolated_anon and _file), "
        "0 before"
    ]
    still_there = {**left_isolated, **leaves}
    assert find_errors(before, books(isolated=7, pins=still_there)) != []


def test_a_node_that_came_meanwhile_and_left_has_yet_to_count_too():
    """As row 81's control ends on 5.10.262: its node was there at neither time."""
    before = books(pins={"node 0": isolated(0), MACHINE: isolated(0)}, away=frozenset({1}))
    pins = {"node 0": isolated(0), MACHINE: isolated(11)}
    assert find_errors(before, books(isolated=11, pins=pins, away=frozenset({1}))) == []
    assert find_errors(before, books(isolated=11, pins=pins)) != []


def test_pins_are_held_against_each_node_and_what_was_held_before():
    before = books(pins={"node 0": pins(20, 20), "node 1": pins(10, 7)})
    after = books(pins={"node 0": pins(90, 90), "node 1": pins(522, 518), "node 2": pins(5, 1)})
    assert find_errors(before, before) == []
    assert find_errors(before, after) == [
        "node 1: 511 of 512 pins released (nr_foll_pin_released 518, nr_foll_pin_acquired 522, "
        "held before: 3)"
    ]


def test_a_kernel_that_does_not_count_pins_is_not_asked():
    assert find_errors(books(pins={"node 0": Counters({})}), books(pins={})) == []


def test_zones_grow_and_shrink_as_their_blocks_do():
    empty, whole = books(), books(dimm(32, 33, 34), 3 * BLOCK, 3 * BLOCK)
    hole = books(dimm(32, 34), 2 * BLOCK, 3 * BLOCK)
    offline = books(dimm(32, 33, 34, state="offline"))
    for before in (empty, whole, hole):
        for after in (empty, whole, hole, offline):
            assert find_errors(before, after) == []


@pytest.mark.parametrize(
    ("field", "seen", "told"),
    [
        ("present", BLOCK + 1, "present 32,769 pages (/proc/zoneinfo), expected 32,768"),
        ("managed", BLOCK - 1, "managed 32,767 pages (/proc/zoneinfo), expected 32,768"),
        ("spanned", 2 * BLOCK, "spanned 65,536 pages (/proc/zoneinfo), expected 32,768"),
    ],
)
def test_a_size_that_does_not_follow_the_blocks_is_told(field, seen, told):
    after = books(dimm(32), BLOCK, BLOCK)
    wrong = replace(after, zones=(NORMAL, replace(after.zones[1], **{field: seen})))
    assert find_errors(books(), wrong) == [f"node 1's ZONE_MOVABLE: {told}"]


def test_a_zone_that_is_empty_again_spans_nothing():
    before, after = books(dimm(32), BLOCK, BLOCK), books((), 0, BLOCK)
    (error,) = find_errors(before, after)
    assert error.endswith("spanned 32,768 pages (/proc/zoneinfo), expected 0")


def test_of_blocks_that_are_plugged_in_part_not_every_page_is_managed():
    after = books(dimm(32), BLOCK, BLOCK)
    part = replace(after, zones=(NORMAL, replace(after.zones[1], managed=512)))
    assert find_errors(books(), part, partial=True) == []
    (error,) = find_errors(books(), part)
    assert "managed 512 pages" in error


def test_isolated_pages_and_pageblocks_are_told():
    before = books(isolated=2, isolated_blocks={(1, "Movable"): 0})
    after = books(isolated=3, isolated_blocks={(1, "Movable"): 2})
    pages, blocks = find_errors(before, after)
    assert pages.startswith("the machine: 3 pages are isolated with nothing going on")
    assert blocks.startswith("node 1's ZONE_MOVABLE: 2 pageblocks stay isolated")


def test_isolated_pageblocks_are_read_where_the_kernel_counts_them():
    assert parse_isolated_blocks(PAGETYPES) == {
        (0, "DMA"): 0,
        (1, "DMA32"): 0,
        (1, "Movable"): 2,
    }
    assert parse_isolated_blocks(PAGETYPES.replace("Isolate", "")) is None
    assert parse_isolated_blocks("") is None


def test_memory_that_nobody_accounts_for_is_told_beyond_what_drivers_take():
    before = books(unaccounted=7 * MIB)
    assert find_errors(before, books(unaccounted=7 * MIB + TOLERANCE)) == []
    (error,) = find_errors(before, books(unaccounted=8 * MIB + TOLERANCE))
    assert f"{(TOLERANCE + MIB) / MIB:.1f} MiB are neither free nor in any account" in error


def test_blocks_that_came_have_their_page_structs_somewhere():
    offline = books(dimm(32, 33, 34, state="offline"), unaccounted=6 * MIB + TOLERANCE)
    assert find_errors(books(), offline) == []
    assert find_errors(offline, replace(offline, unaccounted=6 * MIB)) == []
    assert find_errors(books(unaccounted=-1), offline)


def test_blocks_that_came_are_mapped_by_tables_of_their_own():
    """arm64, 512 MiB of virtio-mem: 256 such tables."""
    plugged = books(dimm(*range(32, 36)), unaccounted=9 * MIB + TOLERANCE)
    told = "2.0 MiB are neither free nor in any account"
    assert any(told in error for error in find_errors(books(), plugged))
    assert not any("account" in error for error in find_errors(books(), plugged, mapped=8))
    lost = replace(plugged, unaccounted=plugged.unaccounted + 1)
    assert any("account" in error for error in find_errors(books(), lost, mapped=8))


def test_memory_of_devices_has_its_page_structs_somewhere():
    devices = Zone(0, "Device", spanned=512 * MIB // 4096)
    after = replace(books(), zones=(*books().zones, devices), unaccounted=8 * MIB)
    assert find_errors(books(), after) == []
    assert find_errors(books(), replace(after, unaccounted=10 * MIB))
    assert find_errors(books(), replace(books(), unaccounted=8 * MIB))


def test_what_is_free_or_in_use_is_accounted_for():
    meminfo = parse_meminfo("MemTotal: 1000 kB\nMemFree: 500 kB\nSlab: 100 kB\nHugetlb: 300 kB\n")
    assert count_unaccounted(meminfo, "") == 100 << 10
    assert count_unaccounted(meminfo, "    cpu: 0\n              count: 5\n") == 80 << 10
