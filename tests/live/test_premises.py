# SPDX-License-Identifier: Apache-2.0
"""What a row needs is not there, or the kernel is at fault: real guests, each with one made so."""

import pytest

from hotremove.errors import GuestLost, HotremoveError, NotApplicable
from hotremove.memory.arrival import OnlineRefused
from hotremove.memory.offline import SignalIgnored
from hotremove.memory.removal import UnexpectedOutcome
from hotremove.pins import holder as holders
from hotremove.pins.buffer import Buffer
from hotremove.pins.holder import HolderStuck
from hotremove.pins.kmod import load_module
from hotremove.pins.take import take_pin
from hotremove.scenario import MIB, PAGE, REFUSED, REMOVED, STUCK
from hotremove.virt.polling import wait_until

pytestmark = [pytest.mark.live, pytest.mark.hotremove]

ONLINE = "/sys/kernel/debug/notifier-error-inject/memory/actions/MEM_GOING_ONLINE/error"
# Brings a block back as soon as it is offline, in a zone that nobody asked for.
MEDDLE = "while :; do echo online_kernel >{state}; done 2>/dev/null"
# A holder that no scenario knows of.
STRANGER = "exec holder --memory anon --bytes 4096 --node 1 --faulted"


def test_a_page_of_somebody_else_is_not_blamed_on_a_pin(movable_dimm, rdma):
    region = rdma.pin(movable_dimm.map(MIB))
    region.expect_migrated_from(movable_dimm.frames)
    stranger = movable_dimm.guest.control.start(STRANGER)
    movable_dimm.guest.control.send(stranger, b"pin vmsplice\n")
    removal = movable_dimm.eject(deadline=5)
    assert removal.outcome is STUCK
    told = str(removal)
    assert "is an anonymous page, which no pin of the scenario holds" in told
    for blame in (region.holder, "regression", "d1e153fea2a8"):
        assert blame not in told
    with pytest.raises(UnexpectedOutcome, match="expected: stuck by a pin of the scenario"):
        removal.expect(STUCK)


def test_a_removal_that_is_refused_at_once_is_not_stuck(movable_dimm, vmsplice, notifier_veto):
    vmsplice.pin(movable_dimm.map(MIB))
    notifier_veto.object()
    removal = movable_dimm.eject(deadline=5)
    assert removal.outcome is REFUSED
    with pytest.raises(UnexpectedOutcome, match=r"^refused: .*notifier failure"):
        removal.expect_held_up()
    notifier_veto.agree()
    assert "notifier failure" not in movable_dimm.eject(deadline=5).reasons


def test_a_removal_under_a_pin_that_moved_is_no_stuck_one(movable_dimm, rdma):
    rdma.pin(movable_dimm.map(MIB))
    with pytest.raises(NotApplicable, match="moved all pages out of the memory"):
        movable_dimm.start_offline_of_pinned_block()
    with pytest.raises(NotApplicable, match="removed the memory under this pin"):
        movable_dimm.eject().expect_held_up()


def test_a_holder_that_ends_meanwhile_held_nothing(movable_dimm, rdma):
    buffer = movable_dimm.map(MIB)
    rdma.pin(buffer)
    movable_dimm.guest.control.check(f"kill -9 {buffer.pid}")
    with pytest.raises(GuestLost, match="the holder ended"):
        movable_dimm.eject()


@pytest.mark.topology("dax")
def test_memory_that_was_unbound_too_early_is_not_removed(dax_kmem):
    removal = dax_kmem.unbind_online()
    with pytest.raises(UnexpectedOutcome, match="until the next reboot"):
        removal.expect(REMOVED)
    dax_kmem.offline().expect(REMOVED)


def test_a_block_that_comes_back_in_another_zone_is_not_removed(movable_dimm):
    # While the others go offline there is time to bring the first back.
    first = movable_dimm.blocks[0].index
    state = f"/sys/devices/system/memory/memory{first}/state"
    movable_dimm.guest.control.start(MEDDLE.format(state=state))
    removal = movable_dimm.offline()
    with pytest.raises(UnexpectedOutcome, match=f"there are: memory{first} online Normal"):
        removal.expect(REMOVED)


def test_pages_that_lie_elsewhere_are_noticed(movable_dimm):
    movable_dimm.node = 0
    with pytest.raises(HotremoveError, match=r"0 of 256 pages of .* lie there"):
        movable_dimm.map(MIB)


def test_an_online_that_the_kernel_refuses_fails_it(movable_dimm, notifier_veto):
    movable_dimm.offline().expect(REMOVED)
    movable_dimm.guest.control.write(ONLINE, "-16")
    with pytest.raises(OnlineRefused, match=r"refused `online_movable` for memory\d+: EBUSY"):
        movable_dimm.online()


@pytest.mark.open_books("the offline goes on")
def test_an_offline_that_no_signal_ends_fails_the_kernel(movable_dimm, vmsplice, farm, kernel):
    load_module(movable_dimm.guest, farm.kmods(kernel).find("splat"))
    movable_dimm.guest.control.write("/sys/kernel/debug/splat/provoke", "deaf_offline 60")
    vmsplice.pin(movable_dimm.map(MIB))
    offline = movable_dimm.start_offline_of_pinned_block()
    offline.expect_stuck(after=1)
    told = r"goes on 10 s after SIGTERM: pid \d+ is in state D in .*offline_pages"
    with pytest.raises(SignalIgnored, match=told):
        offline.terminate()


@pytest.mark.open_books("its holder waits in the kernel")
def test_a_pin_that_no_signal_reaches_fails_the_kernel(map_on_node, rdma, ext4, monkeypatch):
    buffer = map_on_node(0, 16 * PAGE, kind="file", file=ext4.path("data"), read_only=True)
    buffer.read_only = False
    buffer.guest.control.check("sync; fsfreeze --freeze /run/files")
    monkeypatch.setattr(buffer.holder, "_deadline", 3.0)
    with pytest.raises(HolderStuck, match=r"`pin rdma .* is in state D after 3 s in "):
        take_pin(buffer, "rdma", "region", device=rdma.device, write=1)


@pytest.mark.allow_splat("oom", reason="it is asked for", expires="2099-12-31")
def test_a_holder_killed_beside_the_oom_killer_is_no_refusal(guest):
    first, second = Buffer(guest, MIB), Buffer(guest, MIB)
    guest.control.check(f"echo 1000 >/proc/{first.pid}/oom_score_adj; echo f >/proc/sysrq-trigger")
    # A worker of the kernel does it, in its own time.
    assert wait_until(lambda: f"Killed process {first.pid}" in guest.dmesg(), 30, guest.check)
    with pytest.raises(holders.PinRefused, match="OOM killer"):
        first.fault()
    guest.control.check(f"kill -9 {second.pid}")
    with pytest.raises(GuestLost, match="the holder ended"):
        second.fault()
