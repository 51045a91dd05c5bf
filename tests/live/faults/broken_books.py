# SPDX-License-Identifier: Apache-2.0
"""Faults of the module in a guest: what becomes of pages, what is given back, what is said.

Run by test_kmods.py. Each is shown by the least that shows it, and that the kernel is whole
without it.
"""

import re
import signal

import pytest

from hotremove.guest.memory_blocks import SYSFS, read_blocks
from hotremove.memory.notifier import NotifierVeto
from hotremove.pins.holder import PinRefused
from hotremove.pins.take import begin_pin
from hotremove.scenario import MIB, PAGE, REMOVED

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
