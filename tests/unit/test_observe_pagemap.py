# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotremove.errors import HotremoveError
from hotremove.observe.pagemap import PfnRuns, frames_of, parse_block, parse_block_bytes

BLOCK = 128 * 1024 * 1024
RUNS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=8)


def members(runs: PfnRuns) -> set[int]:
    return {pfn for first, count in runs.runs for pfn in range(first, first + count)}


@settings(deadline=None)
@given(RUNS, RUNS)
def test_algebra_is_that_of_sets(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    mine, theirs = PfnRuns.of(one), PfnRuns.of(other)
    assert members(mine & theirs) == members(mine) & members(theirs)
    assert members(mine | theirs) == members(mine) | members(theirs)
    assert members(mine - theirs) == members(mine) - members(theirs)
    assert mine.inside(theirs) == len(members(mine) & members(theirs))
    assert mine.pages == len(members(mine))


@settings(deadline=None)
@given(RUNS)
def test_runs_neither_touch_nor_overlap(runs: list[tuple[int, int]]) -> None:
    made = PfnRuns.of(runs)
    expected = {pfn for first, count in runs for pfn in range(first, first + count)}
    assert members(made) == expected
    ends = [first + count for first, count in made.runs]
    starts = [first for first, _ in made.runs]
    assert all(start > end for end, start in zip(ends, starts[1:], strict=False))


def test_shown_as_the_kernel_does() -> None:
    assert str(PfnRuns.of([[0x100000, 0x8000]])) == "0x100000-0x107fff"
    assert str(PfnRuns()) == "no pages"
    assert not PfnRuns()
    assert 0x100001 in PfnRuns.of([[0x100000, 0x8000]])


def test_of_many_runs_a_message_names_the_first() -> None:
    runs = PfnRuns.of((pfn * 16, 2) for pfn in range(1, 34))
    assert str(runs) == "0x10-0x11, 0x20-0x21, 0x30-0x31, 0x40-0x41 and 29 more ranges"
    assert runs.listed().count("-") == 33
    assert "more" not in str(PfnRuns(runs.runs[:4]))


def test_blocks() -> None:
    assert parse_block_bytes("8000000\n") == BLOCK
    files = {"phys_index": "00000020\n", "state": "online\n", "valid_zones": "Movable\n"}
    block = parse_block(32, {**files, "node": "node1"}, BLOCK)
    assert (block.frames.runs, block.zone, block.node) == (((0x100000, 32768),), "Movable", 1)
    offline = parse_block(33, {"state": "offline", "valid_zones": "Normal Movable"}, BLOCK)
    assert (offline.zone, offline.zones) == (None, ("Normal", "Movable"))
    assert offline.frames.runs == ((33 * 32768, 32768),)
    mixed = parse_block(34, {"state": "online", "valid_zones": "none"}, BLOCK)
    assert (mixed.zone, mixed.zones) == (None, ())
    assert frames_of([block, offline]).runs == ((0x100000, 65536),)


@pytest.mark.parametrize("runs", [[(1,)], [(-1, 2)], [("a", 1)], [5]])
def test_bad_runs(runs) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(HotremoveError, match="not a run of page frames"):
        PfnRuns.of(runs)


def test_bad_blocks() -> None:
    with pytest.raises(HotremoveError, match="block_size_bytes is not a hexadecimal number: 'x'"):
        parse_block_bytes("x")
    with pytest.raises(HotremoveError, match="not a size in pages"):
        parse_block_bytes("10")
    with pytest.raises(HotremoveError, match="memory3 has no state"):
        parse_block(3, {}, BLOCK)
    with pytest.raises(HotremoveError, match="memory3: not a node: 'X'"):
        parse_block(3, {"state": "online", "node": "nodeX"}, BLOCK)
