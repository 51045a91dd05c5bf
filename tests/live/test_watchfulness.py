# SPDX-License-Identifier: Apache-2.0
"""What looks for damage and leaks finds them, in a real guest."""

import os
import re
from operator import itemgetter
from pathlib import Path

import pytest
from run_harness import CHECKOUT

from hotremove.errors import HotremoveError
from hotremove.memory.books import BooksOpen, GuestBooks, read_books
from hotremove.observe.books import find_errors
from hotremove.pins.data import DataLost
from hotremove.pins.kmod import load_module
from hotremove.pins.take import take_pin
from hotremove.scenario import MIB

pytestmark = [pytest.mark.live, pytest.mark.hotremove]
FAULTS = Path(__file__).parent / "faults"
OFF_LRU = FAULTS / "off_lru.py"


@pytest.mark.topology("dma")
@pytest.mark.pins("rdma", "edu")
def test_changed_bytes_are_noticed_by_processor_and_device(pinner, traffic, map_on_node):
    data = traffic(pinner, map_on_node(0, MIB))
    pinner.pin(data.buffer)
    data.exchange()
    data.check()
    last = data.dma_ranges[-1]
    data.buffer.fill(1, last.end - 8, 8)
    with pytest.raises(AssertionError, match=rf"^[5-8] of {last} are not as written"):
        data.check()
    assert 5 <= data.buffer.device_mismatches(2, last.end - 8, 8) <= 8
    assert data.buffer.device_mismatches(1, last.end - 8, 8) == 0


def test_a_byte_outside_what_the_device_reaches_is_noticed_too(traffic, map_on_node, rdma):
    class Half:
        def dma_ranges(self, size, rng):
            return rdma.dma_ranges(size // 2, rng)

    data = traffic(Half(), map_on_node(0, 2 * MIB))
    rdma.pin(data.buffer)
    data.check()
    data.buffer.device_fill(1, 2 * MIB - 8, 8)
    with pytest.raises(AssertionError, match=r"of bytes 0x100000-0x1fffff are not as written"):
        data.check()


@pytest.mark.open_books("its pin outlives its holder")
def test_a_pin_that_outlives_its_holder_is_a_leak(leak_check, pin_hold, map_on_node):
    buffer = map_on_node(0, MIB)
    take_pin(buffer, "kmod", "pin", detached=1)
    with pytest.raises(AssertionError, match=r"^256 page references of pins are left"):
        leak_check.expect_none(buffer)


def test_memory_that_is_not_given_back_is_a_leak(leak_check, rdma, map_on_node):
    buffer = map_on_node(0, MIB)
    rdma.pin(buffer)
    map_on_node(0, 16 * MIB)
    with pytest.raises(
        AssertionError, match=r"VmPin is 1048576 bytes .* MiB of free memory are gone"
    ):
        leak_check.expect_none(buffer)


def test_a_pin_that_outlives_its_holder_is_in_the_books(guest, pin_hold, map_on_node):
    books = GuestBooks(guest)
    take_pin(map_on_node(0, MIB), "kmod", "pin_hold pin", detached=1)
    told = (
        r"^books: node 0: 0 of 256 pins released \(nr_foll_pin_released \d+, .*; "
        r"the machine: 0 of 256 .* \(held until the end: pid \d+, a pin_hold pin of 1 MiB\)$"
    )
    with pytest.raises(BooksOpen, match=told):
        books.close()
    guest.control.check("rmmod pin_hold")  # which releases it: the test's own books add up


def test_pages_that_somebody_keeps_are_in_the_books(guest, farm, kernel, map_on_node):
    load_module(guest, farm.kmods(kernel).find("unmigratable"))
    books = GuestBooks(guest)
    runs = sorted(map_on_node(0, 16 * MIB).frames().runs, key=itemgetter(1))
    for first, count in runs[-16:]:  # one write each: memory of a node that is in use lies in bits
        guest.control.write("/sys/kernel/debug/unmigratable/hold", f"{first} {count}")
    with pytest.raises(
        BooksOpen, match=r"^books: the machine: \d+\.\d MiB are neither free nor in"
    ):
        books.close()
    guest.control.check("rmmod unmigratable")


def test_blocks_that_stay_isolated_are_in_the_books(guest, movable_dimm, vmsplice):
    books = GuestBooks(guest)
    buffer = movable_dimm.map(MIB)
    vmsplice.pin(buffer)
    offline = movable_dimm.start_offline_of_pinned_block()
    offline.expect_stuck(after=1)
    now = read_books(guest)
    assert [block.index for block in now.in_motion] == [offline.block.index]
    (told,) = [one for one in find_errors(books.opened, now) if "pageblocks" in one]
    assert told.startswith("node 1's ZONE_MOVABLE: 64 pageblocks stay isolated")


@pytest.mark.pins("rdma", "uring", "pin_hold", "ib_umem")
def test_data_that_a_pin_shares_no_more_are_noticed_as_it_is_released(pinner, map_on_node):
    buffer = map_on_node(0, MIB)
    pinner.pin(buffer)
    buffer.check_data()
    buffer.advise("dontneed")
    buffer.fill(1)
    told = r"the pin's user reads (32|16) otherwise than the processor wrote, the processor (16|0)"
    with pytest.raises(DataLost, match=told):
        buffer.unpin()
    buffer.close()


def test_data_that_changed_under_its_owner_are_noticed(guest, map_on_node):
    buffer = map_on_node(0, MIB)
    guest.control.check(
        f"dd if=/dev/zero of=/proc/{buffer.pid}/mem bs=4096 count=1 conv=notrunc "
        f"seek=$(({buffer.holder.address} / 4096))"
    )
    with pytest.raises(DataLost, match=r"^1 of 256 pages of pid .* the first at byte 0x0"):
        buffer.check_data()
    buffer.fault()


def test_a_release_that_forgets_what_was_written_is_noticed(movable_dimm, ext4, pin_hold):
    """By the steps of row 78, with a driver that does not say that it wrote."""
    path = ext4.path("data")
    buffer = movable_dimm.map(4 * MIB, kind="file", file=path)
    take_pin(buffer, "kmod", "pin_hold pin", long_term=False, longterm=0, clean=1)
    ext4.sync()
    buffer.device_fill(78)
    buffer.close()
    ext4.remount()
    assert movable_dimm.map(4 * MIB, kind="file", file=path, read_only=True).mismatches(78) > MIB


def test_what_a_scenario_leaves_behind_is_the_kernels_fault(laboratory):
    """Here it is the module's: a pin that nobody can release but by unloading it."""
    run = laboratory.run(FAULTS / "left_behind.py", seconds=300)
    assert run.wait() == 1, run.text
    left, marked = run.results["test_a_pin_is_left"], run.results["test_a_pin_is_left_by_design"]
    assert (left.verdict, marked.verdict) == ("fail", "pass"), run.text
    assert re.match(r"books: node \d: \d+ of \d+ pins released", left.message), left.message


def test_an_offline_that_isolates_nothing_is_noticed(normal_memory, ext4, vmsplice):
    # Its holder's page tables come along.
    normal_memory.map(MIB, kind="file", file=ext4.path("data"))
    hold, _ = normal_memory.share(MIB)
    vmsplice.pin(hold)
    told = r"memory\d+ is not isolated by its offline: failure to isolate range"
    with pytest.raises(HotremoveError, match=told):
        normal_memory.isolate_block_of(hold)
    hold.unpin()
    hold, _, offline = normal_memory.isolate_shared(MIB, vmsplice.pin)
    assert hold.frames() & offline.block.frames
    hold.unpin()
    assert offline.ends(10)
    assert offline.ending == "offline"


def test_row_22_notices_folios_off_the_lru_and_one_pinner_does_not(laboratory, monkeypatch):
    """On a kernel that has a function to break for it: Debian's compiler inlines that of 6.1."""
    paths = (str(CHECKOUT), os.environ.get("PYTHONPATH", ""))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    run = laboratory.run(OFF_LRU, "--hotremove-kernel", "debian:trixie", seconds=900)
    assert run.wait() == 0, run.text
    assert [row.verdict for row in run.rows] == ["pass", "pass"], run.text
