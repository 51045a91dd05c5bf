# SPDX-License-Identifier: Apache-2.0
import pytest

from hotremove.errors import HotremoveError
from hotremove.observe.counters import (
    Counters,
    delta,
    find_zone,
    parse_cached_pages,
    parse_meminfo,
    parse_vmstat,
    parse_zoneinfo,
)

ZONEINFO = """\
Node 0, zone      DMA
  per-node stats
      nr_inactive_anon 18
      nr_foll_pin_acquired 7
  pages free     3840
        boost    0
        min      66
        high     98
        spanned  4095
        present  3998
        managed  3840
        cma      0
        protection: (0, 417, 417, 417)
      nr_free_pages 3840
      numa_hit      12
  pagesets
    cpu: 0
              count: 5
              high:  0
              batch: 1
  vm stats threshold: 2
  node_unreclaimable:  0
  start_pfn:           1
Node 1, zone  Movable
  pages free     131072
        spanned  131072
        present  131072
        managed  131072
        protection: (0, 0, 0, 0)
      nr_free_pages 131072
  start_pfn:           1048576
Node 1, zone   Device
  pages free     0
        spanned  0
        present  0
        managed  0
        protection: (0, 0, 0, 0)
"""


def test_vmstat_delta_counts_pins() -> None:
    before = parse_vmstat("nr_foll_pin_acquired 10\nnr_foll_pin_released 10\npgmigrate_fail 3\n")
    after = parse_vmstat("nr_foll_pin_acquired 32778\nnr_foll_pin_released 10\npgmigrate_fail 9\n")
    moved = delta(before, after)
    assert moved.pinned == 32768
    assert moved["pgmigrate_fail"] == 6
    assert moved["thp_migration_fail"] == 0
    assert dict(moved.only("pgmigrate").values) == {"pgmigrate_fail": 6}


def test_counters_of_one_side_only_count_from_zero() -> None:
    moved = delta(Counters({"gone": 2}), Counters({"come": 3}))
    assert (moved["gone"], moved["come"]) == (-2, 3)
    assert "come" in moved
    assert "other" not in moved


def test_isolated() -> None:
    assert parse_vmstat("nr_isolated_anon 3\nnr_isolated_file 4\n").isolated == 7


def test_meminfo_is_in_bytes() -> None:
    counters = parse_meminfo(
        "MemFree:  1024 kB\nHugePages_Total:  3\nActive(anon):  1 kB\nNode 1 MemTotal:  2 kB\n"
    )
    assert counters["MemFree"] == 1024 * 1024
    assert counters["HugePages_Total"] == 3
    assert counters["Active(anon)"] == 1024
    assert counters["MemTotal"] == 2048


def test_pages_that_processors_keep() -> None:
    assert parse_cached_pages(ZONEINFO) == 5
    assert parse_cached_pages(ZONEINFO + ZONEINFO.replace("count: 5", "count: 63")) == 68


def test_zoneinfo() -> None:
    dma, movable, device = parse_zoneinfo(ZONEINFO)
    assert (dma.node, dma.name) == (0, "DMA")
    assert (dma.present, dma.free) == (3998, 3840)
    assert dma.counters["numa_hit"] == 12
    assert dma.counters["high"] == 98
    assert "count" not in dma.counters
    assert "nr_inactive_anon" not in dma.counters
    assert (movable.node, movable.present) == (1, 131072)
    assert device.present == 0


def test_find_zone() -> None:
    zones = parse_zoneinfo(ZONEINFO)
    assert find_zone(zones, 1, "Movable").free == 131072
    assert find_zone(zones, 3, "Movable").present == 0


@pytest.mark.parametrize(
    ("parse", "text", "says"),
    [
        (parse_vmstat, "a 1\nnonsense\n", "vmstat line 2 is not a name and a number: 'nonsense'"),
        (parse_meminfo, "MemFree 1\n", "meminfo line 1 is not a name and a size: 'MemFree 1'"),
        (parse_zoneinfo, "  free 1\n", "zoneinfo line 1 stands before any zone: '  free 1'"),
    ],
)
def test_foreign_text_is_named(parse, text, says) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(HotremoveError) as caught:
        parse(text)
    assert str(caught.value) == says
