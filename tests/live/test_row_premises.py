# SPDX-License-Identifier: Apache-2.0
"""Rows whose premise is not given do not pass: real guests, in each of which one is taken away."""

import pytest
from run_harness import CHECKOUT

from hotremove.errors import CapabilityAbsent, GuestLost, HotremoveError, NotApplicable
from hotremove.memory import churn as churning
from hotremove.memory.placement import require_in_part
from hotremove.plugin.rounds import Rounds
from hotremove.scenario import MIB, REMOVED

pytestmark = [pytest.mark.live, pytest.mark.hotremove]

RACES = CHECKOUT / "scenarios" / "test_races.py"
GONE = "while pidof {} >/dev/null; do usleep 10000; done"
KSM = "/sys/kernel/mm/ksm/run"


def test_io_that_has_ended_is_no_io_under_a_removal(movable_dimm, short_io):
    (buffer,) = movable_dimm.share(MIB, holders=1)
    short_io.begin(buffer, "process")
    movable_dimm.guest.control.check(f"killall io_loop; {GONE.format('io_loop')}")
    with pytest.raises(GuestLost, match=r"the I/O .*ended before it was told to|did not end well"):
        short_io.end()


def test_pages_in_the_swap_cache_elsewhere_do_not_count(movable_dimm, swap, map_on_node):
    with pytest.raises(HotremoveError, match="0 pages of the memory are in the swap cache"):
        swap.take_out_in_part(movable_dimm, map_on_node(0, 2 * MIB))


def test_a_child_that_wrote_shares_nothing(movable_dimm):
    child = movable_dimm.map(MIB).fork()
    child.fill(2)
    with pytest.raises(HotremoveError, match="does not share"):
        child.require_shared()


@pytest.mark.open_books("a page of the machine's is poisoned")
def test_a_poisoned_page_elsewhere_does_not_count(movable_dimm, poison, map_on_node):
    with pytest.raises(HotremoveError, match="no page of the memory is poisoned"):
        poison.poison(movable_dimm, map_on_node(0, MIB), "hwpoison")


def test_a_page_cache_elsewhere_does_not_count(movable_dimm, ext4):
    with pytest.raises((HotremoveError, NotApplicable), match="pages of the memory have buffers"):
        ext4.write_file(movable_dimm)


def test_pages_of_the_kernel_beside_the_memory_do_not_count(movable_dimm, kernel_pages):
    with pytest.raises(HotremoveError, match="the kernel took no page of the memory"):
        kernel_pages.take_from(movable_dimm)


def test_a_buffer_on_one_node_is_not_interleaved(movable_dimm):
    with pytest.raises(HotremoveError, match=r"256 of 256 pages of .* lie in the memory"):
        require_in_part(movable_dimm.map(MIB), movable_dimm.frames)


def test_struct_pages_elsewhere_are_not_the_dimms_own(movable_dimm):
    with pytest.raises((CapabilityAbsent, HotremoveError), match=r"own struct pages|hold struct"):
        movable_dimm.require_own_memmap()


def test_a_machine_on_which_somebody_does_nothing_is_not_busy(movable_dimm, churn, monkeypatch):
    monkeypatch.setattr(churning, "_ACTS", 5.0)
    on = tuple(one for one in churning._SETTINGS if one[0] != KSM)
    monkeypatch.setattr(churning, "_SETTINGS", on)
    movable_dimm.guest.control.write(KSM, "0")
    rng = Rounds(seed=71, count=1, name="idle").rng()
    idle = pytest.raises(HotremoveError, match=r"nothing was done in 5 s by .*KSM")
    with idle, churn.going_on(rng):
        pytest.fail("the removal began")


def test_a_load_that_ended_is_no_load(movable_dimm, churn):
    rng = Rounds(seed=71, count=1, name="ended").rng()
    ended = pytest.raises(HotremoveError, match="has ended: `exec stir 1")
    with ended, churn.going_on(rng):
        movable_dimm.guest.control.check(f"killall stir; {GONE.format('stir')}")


def test_pages_that_did_not_move_are_not_of_two_zones(movable_dimm):
    with pytest.raises(HotremoveError, match=r"256 pages of .* lie here, half of them should"):
        movable_dimm.move_every_other(movable_dimm.map(MIB), movable_dimm.node, 64 * 4096)


def test_a_file_that_is_mapped_is_not_dropped(movable_dimm, ext4):
    movable_dimm.map(MIB, kind="file", file=ext4.path("data"))
    with pytest.raises(RuntimeError, match="busy"):
        ext4.remount()


def test_events_that_are_off_agree_with_no_counter(movable_dimm, rdma, trace_events):
    movable_dimm.guest.control.check("echo 0 >/sys/kernel/tracing/events/enable")
    pin = rdma.pin(movable_dimm.map(MIB))
    with pytest.raises(
        AssertionError, match=r"tells of 0 pages .* \(reason longterm_pin\), of 256"
    ):
        trace_events.expect_migrated(pin)
    with pytest.raises(AssertionError, match=r"tells of 0 pages .* pgmigrate_success .* rose by"):
        trace_events.expect_agreement()


@pytest.mark.topology("dax")
def test_a_node_with_other_memory_does_not_leave_with_this(dax_kmem):
    dax_kmem.unbind().expect(REMOVED)
    with pytest.raises(HotremoveError, match="node 1 has other memory: blocks"):
        dax_kmem.expect_node_gone()


@pytest.mark.nightly
def test_a_slab_page_in_an_isolated_block_is_no_endless_offline(laboratory):
    """6.18.9 has one in the first block nearly each time, and would wait for it for ever."""
    kernel = "debian:trixie-backports/6.18.9-1~bpo13+1"
    row = ("-k", "test_pin_of_isolated_normal_memory")
    run = laboratory.run(RACES, "--hotremove-kernel", kernel, *row, seconds=900)
    assert run.wait() == 0, run.text
    assert [row.verdict for row in run.rows] == ["pass"], run.text
