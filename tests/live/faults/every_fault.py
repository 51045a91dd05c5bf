# SPDX-License-Identifier: Apache-2.0
"""A kernel with all faults compiled in, whole and with each turned on (test_faulty_kernel.py).

A fault has to change what a workload sees, and only while it is on.
"""

import contextlib
import errno
import re
from dataclasses import dataclass, field

import pytest
from scenarios.test_races import test_two_pin_the_same_memory_at_once as two_pin_at_once

from hotremove.errors import NotApplicable
from hotremove.guest.memory_blocks import count_pins, read_counters
from hotremove.guest.patience import Patience
from hotremove.lineage.changes import find_change
from hotremove.lineage.release import parse
from hotremove.memory.notifier import NotifierVeto
from hotremove.pins.holder import PinHangs
from hotremove.pins.ib_umem import IbUmem
from hotremove.pins.pin import PinnedInMovable
from hotremove.pins.pin_hold import PinHold
from hotremove.pins.rdma import Rdma
from hotremove.pins.take import take_pin
from hotremove.pins.udmabuf import Udmabuf
from hotremove.pins.uring import Uring
from hotremove.pins.vfio import Vfio
from hotremove.plugin.rounds import Rounds
from hotremove.scenario import MIB, PAGE, PINNED, REFUSED, REMOVED, STUCK, PinRefused

pytestmark = [pytest.mark.hotremove, pytest.mark.open_books("its kernel is broken on purpose")]

PARAMETERS = "/sys/module/kernel/parameters"
EVENTS = "/sys/kernel/tracing"
# A pin takes some tenths of a second; what goes on for so long goes on for ever (seconds).
ENDLESS = 8.0


@pytest.fixture
def switch(guest):
    """Turn a fault on for a while: `with switch("no-migration")`."""

    @contextlib.contextmanager
    def switched(name):
        guest.control.write(f"{PARAMETERS}/fault", name)
        yield
        guest.control.write(f"{PARAMETERS}/fault", "\n")

    return switched


@pytest.fixture
def known(guest):
    """The names of the faults that the kernel has."""
    return guest.control.read(f"{PARAMETERS}/faults").split()


@pytest.fixture
def has(known):
    """Leave out what is about a fault that the kernel does not have."""

    def has(name):
        if name not in known:
            raise NotApplicable(f"this kernel has no fault {name}")

    return has


def test_each_name_is_taken_and_told(guest, known):
    control = guest.control
    assert len(known) == len(set(known)) >= 40
    assert control.read(f"{PARAMETERS}/fault") == "\n"
    for name in known:
        control.write(f"{PARAMETERS}/fault", f"{name}\n")
        assert control.read(f"{PARAMETERS}/fault").strip() == name
    with pytest.raises(OSError, match="Invalid argument"):
        control.write(f"{PARAMETERS}/fault", "no-such-fault")
    assert control.read(f"{PARAMETERS}/fault").strip() == known[-1]
    control.write(f"{PARAMETERS}/fault", "\n")
    assert control.read(f"{PARAMETERS}/fault") == "\n"


@dataclass(frozen=True)
class Way:
    """A pin that a fault keeps in ZONE_MOVABLE."""

    path: type = PinHold
    size: int = 4 * MIB
    memory: dict = field(default_factory=dict)
    pin: dict = field(default_factory=dict)
    prepare: str = ""


MEMFD = {"kind": "memfd"}
HUGE = Way(memory={"kind": "hugetlb2m"})
STAYS = {
    "no-migration": Way(),
    "no-longterm": Way(),
    "first-batch": Way(),
    "last-page": Way(),
    "single-page": Way(pin={"batch": PAGE}),
    "large-calls": Way(size=16 * MIB),
    "fast-path": Way(),
    "read-pins": Way(pin={"write": False}),
    "read-private": Way(pin={"write": False}),
    "entry-pages": Way(pin={"entry": "locked"}),
    "entry-fast": Way(pin={"entry": "fast"}),
    "entry-remote": Way(pin={"entry": "remote"}),
    "entry-unlocked": Way(pin={"entry": "unlocked"}),
    "entry-memfd": Way(memory=MEMFD, pin={"entry": "memfd"}),
    "caller-umem": Way(Rdma),
    "caller-vfio": Way(Vfio),
    "caller-uring": Way(Uring),
    "caller-udmabuf": Way(Udmabuf, memory=MEMFD),
    "anon": Way(),
    "shmem": Way(memory={"kind": "shmem"}),
    "hugetlb": HUGE,
    "thp": Way(memory={"kind": "thp"}),
    "mlocked": Way(prepare="lock"),
    "shared-pages": Way(memory={"kind": "shmem"}, prepare="fork"),
    "wrong-zone": Way(),
    "hugetlb-pool": HUGE,
}


# Up to 6.5 a long-term pin of hugetlb pages in ZONE_MOVABLE is refused, with nothing moved.
HUGETLB_PINS = find_change("4849807114b8")


@pytest.fixture
def pin(guest, pin_paths, movable_dimm, huge_pages):
    """Map memory on the DIMM and pin it in a way; the buffer and the pin."""
    huge_pages(0, 4)
    huge_pages(movable_dimm.node, 8)

    def pin(way):
        if way is HUGE and not HUGETLB_PINS.is_in(parse(guest.plan.image.kernel.version)):
            raise NotApplicable(f"this kernel lacks {HUGETLB_PINS.hash}, and refuses such pins")
        path = pin_paths.set_up(way.path)
        buffer = movable_dimm.map(way.size, **way.memory)
        if way.prepare:
            buffer.holder.ask(way.prepare)
        if way.prepare == "fork":
            buffer.holder.ask("child verify 1")
        return buffer, path.pin(buffer, **way.pin)

    return pin


@pytest.mark.parametrize("name", STAYS)
def test_pins_stay_where_they_are(has, switch, pin, movable_dimm, name):
    has(name)
    buffer, held = pin(STAYS[name])
    held.expect_outside(movable_dimm.frames)
    buffer.close()
    with switch(name):
        buffer, held = pin(STAYS[name])
    with pytest.raises(PinnedInMovable, match="lie in ZONE_MOVABLE"):
        held.expect_outside(movable_dimm.frames)
    buffer.close()


def test_a_large_folio_that_is_pinned_from_a_later_page_on(has, switch, pin_hold, movable_dimm):
    has("tail-pages")
    buffer = movable_dimm.map(4 * MIB, kind="thp")
    with switch("tail-pages"):
        held = take_pin(buffer, "kmod", "pin", entry="fast", offset=PAGE, bytes=MIB)
    with pytest.raises(PinnedInMovable):
        held.expect_outside(movable_dimm.frames)


def test_folios_smaller_than_a_huge_page(has, switch, guest, pin_hold, movable_dimm):
    has("mthp")
    for size, when in {2048: "never", 64: "always"}.items():
        folder = f"/sys/kernel/mm/transparent_hugepage/hugepages-{size}kB"
        guest.control.write(f"{folder}/enabled", when)
    buffer = movable_dimm.map(4 * MIB, faulted=False)
    buffer.advise("hugepage")
    buffer.fault()
    with switch("mthp"):
        held = pin_hold.pin(buffer)
    assert buffer.largest_order() == 4
    with pytest.raises(PinnedInMovable):
        held.expect_outside(movable_dimm.frames)


def test_pages_of_another_process(switch, pin_hold, movable_dimm):
    with switch("remote-mm"):
        held = pin_hold.pin_by_child(movable_dimm.map(4 * MIB))
    with pytest.raises(PinnedInMovable):
        held.expect_outside(movable_dimm.frames)


def test_pages_of_a_file(has, switch, pin_hold, movable_dimm, ext4):
    has("file")
    buffer = movable_dimm.map(4 * MIB, kind="file", file=ext4.path("data"), read_only=True)
    with switch("file"):
        held = pin_hold.pin(buffer)
    with pytest.raises(PinnedInMovable):
        held.expect_outside(movable_dimm.frames)


def test_pages_that_another_took_off_the_lru(switch, movable_dimm, rdma):
    rounds = Rounds(seed=22, count=40, name="two pinners")
    with switch("off-lru"), pytest.raises(PinnedInMovable):
        two_pin_at_once(movable_dimm, rdma, rounds, print)


def test_pages_that_the_pin_faults_in(has, switch, pin_hold, movable_dimm):
    has("unfaulted")
    pin_hold.pin(movable_dimm.map(4 * MIB, faulted=False)).expect_unmoved()
    with switch("unfaulted"):
        held = pin_hold.pin(movable_dimm.map(4 * MIB, faulted=False))
    with pytest.raises(AssertionError, match="had to move"):
        held.expect_unmoved()


@pytest.fixture
def held_after(guest, switch):
    """How many page references of pins are left after `pin()` and unpin with a fault."""

    def held_after(name, buffer, pin):
        before = count_pins(guest.control)
        with switch(name):
            with contextlib.suppress(PinRefused):
                pin()
            buffer.unpin()
        return count_pins(guest.control) - before

    return held_after


def test_pins_that_are_kept(has, held_after, pin_hold, movable_dimm):
    buffer = movable_dimm.map(8 * MIB)
    assert held_after("", buffer, lambda: pin_hold.pin(buffer)) == 0
    assert held_after("kept-pin", buffer, lambda: pin_hold.pin(buffer)) == 2


def test_a_large_folio_keeps_a_reference(held_after, pin_hold, movable_dimm):
    buffer = movable_dimm.map(4 * MIB, kind="thp")
    assert held_after("", buffer, lambda: pin_hold.pin(buffer)) == 0
    assert held_after("large-folio-release", buffer, lambda: pin_hold.pin(buffer)) == 2


def test_a_call_with_pages_of_both_zones_loses_pins(held_after, pin_hold, movable_dimm):
    def pin():
        return pin_hold.pin(buffer)

    for name, left in {"": 0, "mixed-zones": 256}.items():
        buffer = movable_dimm.map(2 * MIB)
        take_pin(buffer, "kmod", "pin", entry="fast", offset=MIB, bytes=MIB)
        buffer.unpin()
        assert held_after(name, buffer, pin) == left


def test_the_zero_page_keeps_its_pins(held_after, pin_hold, movable_dimm):
    buffer = movable_dimm.map(MIB, faulted=False, read_only=True)
    buffer.touch()
    assert held_after("zero-page", buffer, lambda: pin_hold.pin(buffer)) == 256


def test_a_call_that_fails_keeps_its_pins(held_after, pin_hold, vmsplice, movable_dimm):
    for name, left in {"": 0, "failed-call": 256}.items():
        buffer = movable_dimm.map(2 * MIB)
        take_pin(buffer, "vmsplice", "pipe", long_term=False, bytes=MIB)
        assert held_after(name, buffer, lambda buffer=buffer: pin_hold.pin(buffer)) == left
        buffer.close()


def test_the_pins_of_a_process_that_ends_are_kept(guest, switch, rdma, movable_dimm):
    for name, left in {"": 0, "ended-holder": 1024}.items():
        before = count_pins(guest.control)
        buffer = movable_dimm.map(4 * MIB)
        rdma.pin(buffer)
        with switch(name):
            buffer.end("exits")
        assert count_pins(guest.control) - before == left


def test_pinned_pages_that_were_given_up_are_dropped(switch, rdma, movable_dimm):
    for name, kept in {"": True, "given-up": False}.items():
        buffer = movable_dimm.map(4 * MIB)
        held = rdma.pin(buffer)
        with switch(name):
            buffer.advise("free")
            buffer.advise("pageout")
            buffer.touch()
        assert (buffer.frames() == held.frames) == kept
        buffer.holder.kill()


def test_pages_move_though_they_are_pinned(guest, has, switch, rdma, movable_dimm):
    has("pinned-moved")
    buffer = movable_dimm.map(16 * MIB)
    held = rdma.pin(buffer)
    guest.control.write("/proc/sys/vm/compact_memory", "1")
    assert buffer.frames() == held.frames
    with switch("pinned-moved"):
        guest.control.write("/proc/sys/vm/compact_memory", "1")
    assert buffer.frames() != held.frames


def test_pages_that_move_lose_their_protection(has, switch, pin_hold, movable_dimm, request):
    has("protection-lost")
    protection = request.getfixturevalue("write_protection")
    for name, protected in {"": 256, "protection-lost": 0}.items():
        buffer = movable_dimm.map(MIB, read_only=True)
        protection.protect(buffer)
        with switch(name):
            pin_hold.pin(buffer)
        assert buffer.write_protected_pages() == protected


def test_secret_memory_is_pinned(has, switch, rdma, request):
    has("secret-memory")
    buffer = request.getfixturevalue("secret_memory").map(MIB)
    assert rdma.try_to_pin(buffer) == errno.EFAULT
    with switch("secret-memory"):
        assert rdma.try_to_pin(buffer) == PINNED


def test_a_removal_waits_for_a_poisoned_page(has, switch, movable_dimm, request):
    has("poisoned")
    poison = request.getfixturevalue("poison")
    poison.poison(movable_dimm, movable_dimm.map(MIB), "hwpoison")
    with switch("poisoned"):
        removal = movable_dimm.offline(deadline=ENDLESS)
    assert removal.outcome is STUCK
    assert "1 poisoned page is inside" in str(removal)
    movable_dimm.offline().expect(REMOVED)


def test_a_removal_waits_for_the_swap_cache(has, switch, movable_dimm, swap):
    has("swap-cache")
    swap.take_out_in_part(movable_dimm, movable_dimm.map(2 * MIB, "memfd"))
    with switch("swap-cache"):
        removal = movable_dimm.offline(deadline=ENDLESS)
    assert removal.outcome is STUCK
    assert "is a page in the swap cache" in str(removal)
    movable_dimm.offline().expect(REMOVED)


def test_a_pinned_page_that_nobody_counts_any_more(guest, switch, pin_hold, movable_dimm):
    buffer = movable_dimm.map(4 * MIB)
    with switch("freed-pinned"):
        held = pin_hold.pin(buffer)
    assert count_pins(guest.control) == held.pages - 1


@pytest.mark.parametrize(
    ("name", "path", "size"),
    [("pinned-vm", Rdma, "VmPin"), ("pinned-vm", Uring, "VmPin"), ("locked-vm", Vfio, "VmLck")],
)
def test_accounts_keep_what_was_unpinned(switch, pin_paths, movable_dimm, name, path, size):
    buffer = movable_dimm.map(4 * MIB)
    with switch(name):
        pin_paths.set_up(path).pin(buffer)
        if path is Uring and not buffer.status()[size]:  # as of 7.3
            raise NotApplicable("io_uring accounts nothing of a registered buffer here")
        buffer.unpin()
    # A memory region's data go through a queue pair of its own, whose queues are pinned as well.
    assert 4 * MIB <= buffer.status()[size] < 5 * MIB


def test_bytes_are_lost(switch, pin_hold, movable_dimm):
    buffer = movable_dimm.map(4 * MIB)
    buffer.fill(1)
    with switch("bytes-lost"):
        held = pin_hold.pin(buffer)
    assert buffer.mismatches(1) == held.pages * 8


def test_fork_gives_the_pinned_pages_to_the_child(switch, pin_hold, movable_dimm):
    buffer = movable_dimm.map(4 * MIB)
    with switch("fork-side"):
        held = pin_hold.pin(buffer)
        child = buffer.fork()
        buffer.fill(2)
    assert child.frames() == held.frames
    assert not buffer.frames() & held.frames


def test_pages_stay_counted_as_isolated(guest, switch, pin_hold, movable_dimm):
    with switch("isolated-count"):
        held = pin_hold.pin(movable_dimm.map(4 * MIB))
    assert read_counters(guest.control, movable_dimm.node).isolated == held.pages


def test_no_event_tells_of_the_migration(guest, switch, pin_hold, movable_dimm):
    guest.control.write(f"{EVENTS}/events/migrate/mm_migrate_pages/enable", "1")

    def told():
        guest.control.write(f"{EVENTS}/trace", "")
        pin_hold.pin(movable_dimm.map(MIB))
        return "longterm_pin" in guest.control.read(f"{EVENTS}/trace")

    assert told()
    with switch("no-tracepoint"):
        assert not told()


@pytest.fixture
def drains(guest, switch, pin_hold, movable_dimm):
    """How often a pin of 4 MiB has all CPUs work off their batches, with a fault."""
    names = ("set_ftrace_filter", "function_profile_enabled")

    def drains(name):
        for file, text in zip(names, ("lru_add_drain_all", "1"), strict=True):
            guest.control.write(f"{EVENTS}/{file}", text)
        with switch(name):
            pin_hold.pin(movable_dimm.map(4 * MIB))
        guest.control.write(f"{EVENTS}/function_profile_enabled", "0")
        told = guest.control.check(f"cat {EVENTS}/trace_stat/function*")
        return sum(map(int, re.findall(r"lru_add_drain_all +(\d+)", told)))

    return drains


def test_every_page_drains(drains):
    assert drains("") < 10
    assert drains("drain-each-page") >= 1024


def test_a_scan_is_quadratic(switch, pin_hold, movable_dimm):
    def seconds():
        """The shortest of three: others use the host's processors too."""
        buffers = (movable_dimm.map(64 * MIB) for _ in range(3))
        return min(pin_hold.pin(buffer).seconds for buffer in buffers)

    whole = seconds()
    with switch("quadratic-scan"):
        assert seconds() > 1.5 * whole


@pytest.fixture
def endless(switch, guest):
    """Require that a pin by pin_hold goes on in the kernel for as long as a fault is on."""
    guest.patience = Patience(holder=ENDLESS)

    def endless(name, buffer, ends=lambda: None):
        with switch(name):
            buffer.holder.send("pin kmod entry=fast")
            with pytest.raises(PinHangs, match="in the kernel all the time"):
                buffer.holder.answer("pin kmod")
            ends()
        with contextlib.suppress(PinRefused):
            buffer.holder.answer("pin kmod")

    return endless


def test_a_pin_tries_for_ever(endless, pin_hold, movable_dimm):
    pin_hold.pin(movable_dimm.map(MIB))
    endless("livelock", movable_dimm.map(MIB))


def test_a_pin_waits_for_ever(endless, pin_hold, movable_dimm, memory_pressure):
    buffer = movable_dimm.map(128 * MIB)
    memory_pressure.leave(32 * MIB)
    endless("wait-under-pressure", buffer, memory_pressure.end)


def zone_sizes(guest, node):
    """Pages of the node's ZONE_MOVABLE: spanned, present, managed."""
    text = guest.control.read("/proc/zoneinfo")
    [zone] = re.findall(rf"^Node {node}, zone +Movable\n(?:(?!^Node).*\n)*", text, re.MULTILINE)
    return {
        name: int(re.search(rf"^ +{name} +(\d+)", zone, re.MULTILINE)[1])
        for name in ("spanned", "present", "managed")
    }


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("", {}),
        ("present-pages", {"present": 4 * 512}),
        ("managed-pages", {"managed": 4 * 512}),
        ("spanned-pages", {"spanned": 131072}),
    ],
)
def test_a_zone_keeps_pages_that_have_left(guest, switch, movable_dimm, name, left):
    with switch(name):
        movable_dimm.eject().expect(REMOVED)
    sizes = zone_sizes(guest, movable_dimm.node)
    assert sizes == {"spanned": 0, "present": 0, "managed": 0, **left}


@pytest.mark.parametrize("name", ["block-left", "eject-early"])
def test_blocks_are_left_of_a_dimm_that_is_gone(switch, movable_dimm, name):
    with switch(name):
        removal = movable_dimm.eject()
    removal.expect(REFUSED)
    assert "DEVICE_REMOVED came, but blocks" in removal.remark


@pytest.mark.topology("dax-node")
def test_a_node_counts_as_one_with_memory(switch, dax_kmem):
    with switch("node-left"):
        dax_kmem.unbind().expect(REMOVED)
    with pytest.raises(AssertionError, match="has_memory has"):
        dax_kmem.expect_node_gone()


def test_an_offline_lies(switch, movable_dimm):
    with switch("offline-lies"):
        removal = movable_dimm.offline()
    removal.expect(REFUSED)
    assert "after a successful offline there are" in removal.remark


def test_a_failed_offline_is_not_in_the_log(switch, movable_dimm, guest):
    veto = NotifierVeto(guest)
    veto.object()
    assert movable_dimm.offline().reasons
    with switch("no-log-line"):
        removal = movable_dimm.offline()
    removal.expect(REFUSED)
    assert not removal.reasons


def test_pageblocks_stay_isolated_after_a_notifier(switch, movable_dimm, guest):
    veto = NotifierVeto(guest)
    veto.object()
    with switch("isolated-after-notifier"):
        movable_dimm.offline().expect(REFUSED)
    veto.agree()
    movable_dimm.offline().expect(REFUSED)


def test_pageblocks_stay_isolated_after_a_signal(switch, movable_dimm, vmsplice):
    buffer = movable_dimm.map(32 * MIB)
    vmsplice.pin(buffer)
    with switch("isolated-after-signal"):
        offline = movable_dimm.start_offline_of_pinned_block()
        offline.expect_stuck(after=3)
        offline.terminate()
    buffer.unpin()
    movable_dimm.offline().expect(REFUSED)


def test_umem_pins_are_taken_by_a_module_too(switch, pin_paths, movable_dimm):
    umem = pin_paths.set_up(IbUmem)
    with switch("caller-umem"):
        held = umem.pin(movable_dimm.map(4 * MIB))
    with pytest.raises(PinnedInMovable):
        held.expect_outside(movable_dimm.frames)
