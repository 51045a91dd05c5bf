# SPDX-License-Identifier: Apache-2.0
"""Faults of the module in a guest: what becomes of pages, what is given back, what is said.

Run by test_kmods.py. Each is shown by the least that shows it, and that the kernel is whole
without it.
"""

import errno
import re
import signal

import pytest

from hotremove.errors import NotApplicable
from hotremove.guest.memory_blocks import SYSFS, read_blocks
from hotremove.memory.notifier import NotifierVeto
from hotremove.pins.holder import PinRefused
from hotremove.pins.take import begin_pin
from hotremove.scenario import MIB, PAGE, REFUSED, REMOVED, STUCK

pytestmark = [pytest.mark.hotremove, pytest.mark.open_books("its kernel is broken on purpose")]

PAGES = MIB // PAGE
ISOLATED = re.compile(r"^Node +\d+, zone +\w+(?: +\d+)* +(\d+) *$", re.MULTILINE)
DIRTY = 1 << 4  # include/uapi/linux/kernel-page-flags.h


def changed(broken, fault, look):
    """What `look` finds without the fault, with it and without it again."""
    before = look()
    with broken(fault) as hits:
        during = look()
        assert hits() > 0
    return before, during, look()


def test_bytes_are_lost_in_the_copy(movable_dimm, pin_hold, can_break, broken):
    if not can_break("bytes-lost"):
        return

    def lost():
        buffer = movable_dimm.map(MIB)
        buffer.fill(1)
        pin_hold.pin(buffer)
        return buffer.mismatches(1) > 0

    assert changed(broken, "bytes-lost", lost) == (False, True, False)


def test_the_dirty_bit_is_lost_when_pins_end(map_on_node, pin_hold, can_break, broken):
    if not can_break("dirty-lost"):
        return

    def dirty():
        buffer = map_on_node(0, MIB)  # to migrate pages marks them as dirty
        pin_hold.pin(buffer)
        buffer.unpin()
        runs = buffer.holder.ask("flags")["runs"]
        return sum(count for flags, count in runs if flags & DIRTY)

    assert changed(broken, "dirty-lost", dirty) == (PAGES, 0, PAGES)


def test_fork_copies_for_the_wrong_side(movable_dimm, pin_hold, can_break, broken):
    if not can_break("fork-side"):
        return

    def parent_keeps_its_pages():
        buffer = movable_dimm.map(MIB)
        pin = pin_hold.pin(buffer)
        buffer.fork()
        buffer.fill(1)
        return buffer.frames() == pin.frames

    assert changed(broken, "fork-side", parent_keeps_its_pages) == (True, False, True)


@pytest.mark.parametrize(
    ("name", "kind", "size"),
    [("kept-pin", "anon", 8 * MIB), ("large-folio-release", "thp", 4 * MIB)],
)
def test_pins_are_kept_when_they_end(
    movable_dimm, rdma, pin_hold, oracle, can_break, broken, name, kind, size
):
    if not can_break(name):
        return

    def kept():
        before = oracle()
        for path in (rdma, pin_hold):
            buffer = movable_dimm.map(size, kind)
            path.pin(buffer)
            buffer.close()
        return oracle() > before

    assert changed(broken, name, kept) == (False, True, False)


def test_pins_of_a_call_that_fails_are_kept(guest, rdma, oracle, can_break, broken, movable_dimm):
    if not can_break("failed-call"):
        return

    def kept():
        before = oracle()
        buffer = movable_dimm.map(2 * MIB, "file", faulted=False, file="/run/short")
        guest.control.check(f"truncate -s {MIB} /run/short")
        with pytest.raises(PinRefused):
            rdma.pin(buffer)
        buffer.close()
        return oracle() - before

    assert changed(broken, "failed-call", kept) == (0, PAGES, 0)


@pytest.mark.pins("rdma", "vfio")
def test_the_account_of_pins_is_not_given_back(movable_dimm, pinner, can_break, broken):
    fault = "pinned-vm" if type(pinner).__name__ == "Rdma" else "locked-vm"
    if not can_break(fault):
        return

    def left():
        buffer = movable_dimm.map(MIB)
        pinner.pin(buffer)
        buffer.unpin()
        return pinner.pinned_bytes(buffer) > 0

    assert changed(broken, fault, left) == (False, True, False)


def test_pages_stay_counted_as_isolated(guest, movable_dimm, pin_hold, can_break, broken):
    if not can_break("isolated-count"):
        return

    def isolated():
        guest.control.check("echo 1 >/proc/sys/vm/stat_refresh")
        lines = guest.control.read("/proc/vmstat").splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("nr_isolated"))

    def left():
        before = isolated()
        pin_hold.pin(movable_dimm.map(4 * MIB))
        return isolated() - before > PAGES // 32

    assert changed(broken, "isolated-count", left) == (False, True, False)


def zone_sizes(guest, node):
    """A node's ZONE_MOVABLE: spanned, present and managed pages."""
    text = guest.control.read("/proc/zoneinfo").partition(f"Node {node}, zone  Movable")[2]
    words = text.split()
    return {name: int(words[words.index(name) + 1]) for name in ("spanned", "present", "managed")}


@pytest.mark.parametrize("size", ["spanned", "present", "managed"])
def test_a_zone_keeps_pages_of_memory_that_is_gone(guest, movable_dimm, can_break, broken, size):
    if not can_break(f"{size}-pages"):
        return
    before = zone_sizes(guest, movable_dimm.node)
    with broken(f"{size}-pages") as hits:
        movable_dimm.eject().expect(REMOVED)
        assert hits() > 0
    after = zone_sizes(guest, movable_dimm.node)
    others = {name: 0 for name in after if name != size}
    assert after == {**others, size: before[size]}


def isolated_blocks(guest):
    """Pageblocks that are isolated: the last column of the counts of blocks."""
    return sum(map(int, ISOLATED.findall(guest.control.read("/proc/pagetypeinfo"))))


def test_pageblocks_stay_isolated_after_a_signal(guest, movable_dimm, vmsplice, can_break, broken):
    if not can_break("isolated-after-signal"):
        return
    vmsplice.pin(movable_dimm.map(MIB))

    def isolated():
        offline = movable_dimm.start_offline_of_pinned_block()
        offline.expect_stuck(after=1)
        offline.terminate()
        offline.expect_interrupted()
        return isolated_blocks(guest) > 0

    with broken("isolated-after-notifier"):
        assert not isolated()
    with broken("isolated-after-signal"):
        assert isolated()


@pytest.fixture
def veto(guest):
    """A notifier that objects to any offline."""
    notifier = NotifierVeto(guest)
    notifier.object()
    return notifier


def test_pageblocks_stay_isolated_after_a_notifier(guest, movable_dimm, veto, can_break, broken):
    if not can_break("isolated-after-notifier"):
        return
    state = f"{SYSFS}/memory{movable_dimm.blocks[0].index}/state"

    def isolated():
        assert not guest.control.run(f"echo offline >{state}").ok
        return isolated_blocks(guest) > 0

    with broken("isolated-after-signal"):
        assert not isolated()
    with broken("isolated-after-notifier"):
        assert isolated()


def test_an_offline_says_that_it_succeeded(guest, movable_dimm, veto, can_break, broken):
    if not can_break("offline-lies"):
        return
    index = movable_dimm.blocks[0].index

    def told():
        return guest.control.run(f"echo offline >{SYSFS}/memory{index}/state").ok

    assert changed(broken, "offline-lies", told) == (False, True, False)
    states = {block.index: block.state for block in read_blocks(guest.control)}
    assert states[index] == "online"


def test_no_event_tells_of_a_migration(guest, movable_dimm, pin_hold, can_break, broken):
    if not can_break("no-tracepoint"):
        return
    tracing = "/sys/kernel/tracing"
    guest.control.check(f"echo 1 >{tracing}/events/migrate/mm_migrate_pages/enable")

    def told():
        guest.control.check(f"echo >{tracing}/trace")
        pin_hold.pin(movable_dimm.map(MIB))
        return "mm_migrate_pages" in guest.control.read(f"{tracing}/trace")

    assert changed(broken, "no-tracepoint", told) == (True, False, True)


def test_a_pin_is_tried_for_ever_until_its_process_is_killed(
    guest, movable_dimm, pin_hold, can_break, broken
):
    if not can_break("livelock"):
        return
    del pin_hold  # the module has to be there
    with broken("livelock") as hits:
        buffer = movable_dimm.map(MIB)
        begin_pin(buffer, "kmod", "pin")
        guest.control.check("sleep 2")
        first = hits()
        guest.control.check("sleep 1")
        assert hits() > first > 0
        gone = f"while [ -d /proc/{buffer.pid} ]; do usleep 10000; done"
        guest.control.check(f"kill -{signal.SIGKILL} {buffer.pid}; {gone}")


def test_pins_of_a_process_that_ends_are_kept(movable_dimm, rdma, oracle, can_break, broken):
    if not can_break("ended-holder"):
        return

    def kept():
        before = oracle()
        buffer = movable_dimm.map(MIB)
        rdma.pin(buffer)
        buffer.end("is killed")
        return oracle() - before

    assert changed(broken, "ended-holder", kept) == (0, PAGES, 0)


def test_a_group_is_charged_twice_for_what_moved(movable_dimm, pin_hold, cgroup, can_break, broken):
    if not can_break("memcg-charge"):
        return

    def charged():
        buffer = movable_dimm.map(8 * MIB)
        cgroup.add(buffer)
        movable_dimm.renew(buffer)
        pin_hold.pin(buffer)
        size = int(cgroup.read("memory.current"))
        buffer.close()
        return round(size / (8 * MIB))

    assert changed(broken, "memcg-charge", charged) == (1, 2, 2)  # it stays charged


def test_secret_memory_is_pinned(rdma, can_break, broken, request):
    if not can_break("secret-memory"):
        return
    try:
        secret = request.getfixturevalue("secret_memory").map(MIB)
    except NotApplicable:
        return

    def refused():
        answer = rdma.try_to_pin(secret)
        return answer == errno.EFAULT

    assert changed(broken, "secret-memory", refused) == (True, False, True)


def test_the_swap_cache_does_not_move(movable_dimm, swap, can_break, broken):
    if not can_break("swap-cache"):
        return

    def removed():
        swap.take_out_in_part(movable_dimm, movable_dimm.map(2 * MIB, "memfd"))
        outcome = movable_dimm.offline(deadline=8).outcome
        movable_dimm.online()
        return outcome is REMOVED

    assert changed(broken, "swap-cache", removed) == (True, False, True)


def test_what_was_given_up_is_dropped(movable_dimm, rdma, can_break, broken):
    if not can_break("given-up"):
        return

    def kept():
        buffer = movable_dimm.map(MIB)
        pin = rdma.pin(buffer)
        buffer.advise("free")
        buffer.advise("pageout")
        buffer.touch()
        same = buffer.frames() == pin.frames
        buffer.end("is killed")
        return same

    assert changed(broken, "given-up", kept) == (True, False, True)


def test_a_poisoned_page_is_waited_for(movable_dimm, poison, can_break, broken):
    if not can_break("poisoned"):
        return
    poison.poison(movable_dimm, movable_dimm.map(MIB), "hwpoison")
    with broken("poisoned") as hits:
        assert movable_dimm.offline(deadline=8).outcome is STUCK
        assert hits() > 0
    movable_dimm.offline().expect(REMOVED)


@pytest.mark.topology("dax-node")
def test_a_node_is_left_behind(dax_kmem, can_break, broken):
    if not can_break("node-left"):
        return
    with broken("node-left") as hits:
        dax_kmem.unbind().expect(REMOVED)
        assert hits() > 0
    with pytest.raises(AssertionError, match="node 1 is left behind"):
        dax_kmem.expect_node_gone()


def test_a_failed_offline_is_not_told(movable_dimm, veto, can_break, broken):
    if not can_break("no-log-line"):
        return
    del veto  # it objects

    def told():
        return movable_dimm.offline().reasons

    before, during, after = changed(broken, "no-log-line", told)
    assert before == after == ("notifier failure",)
    assert not during


def test_pageblocks_stay_isolated_after_a_refusal(
    guest, normal_memory, kernel_pages, can_break, broken
):
    if not can_break("isolated-after-busy"):
        return
    kernel_pages.take_from(normal_memory)

    def isolated():
        normal_memory.online()
        normal_memory.offline().expect(REFUSED)
        return isolated_blocks(guest) > 0

    assert changed(broken, "isolated-after-busy", isolated)[:2] == (False, True)


def test_a_block_of_memory_that_is_gone_stays(movable_dimm, can_break, broken):
    if not can_break("block-left"):
        return
    with broken("block-left") as hits:
        removal = movable_dimm.eject()
        assert hits() > 0
    removal.expect(REFUSED)
    assert "DEVICE_REMOVED came, but blocks [" in removal.remark


@pytest.mark.allow_splat(
    kind="bad-page",
    pattern="pin_give_back",
    reason="its pins are given back when the holder ends, and it may be free again by then",
    expires="2027-12-31",
)
def test_a_pinned_page_is_freed(movable_dimm, pin_hold, oracle, can_break, broken):
    if not can_break("freed-pinned"):
        return

    def pinned():
        buffer = movable_dimm.map(MIB)
        pin_hold.pin(buffer, entry="locked")
        pages = oracle()
        buffer.close()
        return pages

    assert pinned() == PAGES
    with broken("freed-pinned") as hits:
        assert pinned() == PAGES - 1
        assert hits() > 0
