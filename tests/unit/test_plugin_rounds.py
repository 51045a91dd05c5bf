# SPDX-License-Identifier: Apache-2.0
"""Rounds that a seed repeats, data in ranges, accounts of memory: what needs no guest."""

from random import Random
from types import SimpleNamespace

import pytest

from hotremove.observe.kernellog.reasons import parse_reasons
from hotremove.observe.memory_account import MemoryAccount
from hotremove.pins.traffic import Range, Traffic, gaps, pieces, scattered
from hotremove.plugin.rounds import ROUNDS, Rounds, annotate_round

MIB = 1 << 20


def drawn(rounds):
    return [rng.random() for rng in rounds]


def test_a_seed_repeats_each_round_however_many_there_are():
    assert drawn(Rounds(7, 5, "test_a"))[:3] == drawn(Rounds(7, 3, "test_a"))
    assert len(set(drawn(Rounds(7, 5, "test_a")))) == 5


def test_another_seed_or_test_has_other_chances():
    assert drawn(Rounds(7, 3, "test_a")) != drawn(Rounds(8, 3, "test_a"))
    assert drawn(Rounds(7, 3, "test_a")) != drawn(Rounds(7, 3, "test_b"))


def test_where_a_test_was_is_told():
    rounds = Rounds(7, 3, "test_a")
    assert str(rounds) == "with --hotremove-seed 7"
    for _ in rounds:
        assert str(rounds).endswith("of 3, with --hotremove-seed 7")
    assert str(rounds) == "in round 3 of 3, with --hotremove-seed 7"


def test_a_failure_names_its_round_and_seed():
    item = SimpleNamespace(stash=pytest.Stash())
    item.stash[ROUNDS] = rounds = Rounds(42, 3, "test_a")
    next(iter(rounds))

    def fail():
        with annotate_round(item):
            raise ValueError("what went wrong")

    with pytest.raises(ValueError, match=r"what went wrong") as caught:
        fail()
    assert caught.value.__notes__ == ["in round 1 of 3, with --hotremove-seed 42"]


@pytest.mark.parametrize("size", [MIB, 5 * MIB, 5 * MIB + 8])
def test_pieces_and_gaps_cover_everything_once(size):
    assert sum(one.size for one in pieces(size)) == size
    some = scattered(size, 4096, 3, Random(1))
    assert (some[0].offset, some[-1].end) == (0, size // 4096 * 4096)
    together = sorted((*some, *gaps(size, some)), key=lambda one: one.offset)
    assert [one.offset for one in together] == [0, *(one.end for one in together[:-1])]
    assert together[-1].end == size


class Memory:
    """A buffer as the holder keeps it: a seed for each range; the device may be a bad one."""

    size = 64
    damaged = None

    def __init__(self):
        self.seeds = {}

    def fill(self, seed, offset, size):
        self.seeds[offset, size] = seed

    def mismatches(self, seed, offset, size):
        return 0 if self.seeds[offset, size] == seed else size

    device_fill = fill

    def device_mismatches(self, seed, offset, size):
        return 1 if self.damaged == offset else self.mismatches(seed, offset, size)


def test_what_the_device_reads_wrongly_is_told_apart():
    memory = Memory()
    data = Traffic(memory, [Range(0, 8), Range(32, 8)], Random(1))
    assert sorted(memory.seeds) == [(0, 8), (8, 24), (32, 8), (40, 24)]
    data.exchange()
    data.check()
    memory.damaged = 32
    with pytest.raises(AssertionError, match=r"1 of bytes 0x20-0x27 .* by what the device reads"):
        data.check()
    with pytest.raises(AssertionError, match=r"by what the device reads"):
        data.exchange()


def test_no_pattern_is_used_twice():
    memory = Memory()
    data = Traffic(memory, [Range(0, 64)], Random(1))
    first = memory.seeds[0, 64]
    data.exchange()
    assert memory.seeds[0, 64] != first


BALANCED = MemoryAccount(pinned=5, isolated=0, free=100 * MIB, accounted={})


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (BALANCED, []),
        (MemoryAccount(5, 63, 97 * MIB, {"VmPin": 0}), []),
        (MemoryAccount(6, 0, 100 * MIB, {}), ["1 page references of pins are left"]),
        (MemoryAccount(5, 64, 100 * MIB, {}), ["64 pages are left isolated"]),
        (MemoryAccount(5, 0, 95 * MIB, {}), ["5.0 MiB of free memory are gone"]),
        (
            MemoryAccount(5, 0, 100 * MIB, {"VmLck": 4096}),
            ["VmLck is 4096 bytes with nothing pinned"],
        ),
    ],
)
def test_leaks_are_told(after, told):
    assert after.leaks_since(BALANCED, tolerance=4 * MIB) == told


def test_reasons_are_the_kernels_own_words():
    log = (
        "7,1,2,-;memory offlining [mem 0x100000000-0x107ffffff] failed due to notifier failure\n"
        "6,2,3,-;Offlined Pages 32768\n"
        "7,3,4,-;memory offlining [mem 0x108000000-0x10fffffff] failed due to signal backoff\n"
    )
    assert parse_reasons(log) == ("notifier failure", "signal backoff")
