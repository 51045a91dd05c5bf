# SPDX-License-Identifier: Apache-2.0
"""Faults of the module in a guest: who is looked at, and which pages; run by test_kmods.py.

For each fault a pin that stays in ZONE_MOVABLE with it, and one that leaves nevertheless. Without
it both leave.
"""

import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest

from hotremove.pins import registry
from hotremove.scenario import MIB, PAGE
from hotremove.virt.polling import wait_until

pytestmark = [pytest.mark.hotremove, pytest.mark.open_books("its kernel is broken on purpose")]

HUGE = 2 * MIB
ALL = -1


@dataclass(frozen=True)
class Wish:
    """A pin: of which memory, through which path, and how."""

    path: str = "pin_hold"
    size: int = MIB
    kind: str = "anon"
    memory: dict[str, Any] = field(default_factory=dict)
    how: dict[str, Any] = field(default_factory=dict)


def hold(entry="locked", **how):
    """By the module pin_hold."""
    return Wish(how={"entry": entry, **how})


def of(kind, size=MIB, path="pin_hold", **how):
    """Of another kind of memory."""
    return Wish(path, size, kind, how=how)


WRITES, READS = hold(), Wish(memory={"read_only": True})
MEMFD = of("memfd", entry="memfd")
FILE = Wish(kind="file", memory={"read_only": True})
LARGE = Wish(size=12 * MIB, how={"entry": "locked"})
UNTOUCHED = Wish(memory={"faulted": False})
THP = of("thp", HUGE, "rdma")
TAIL = Wish("rdma", HUGE, "thp", how={"offset": MIB, "size": MIB})

# Those with a test of their own, in this file or in broken_books.py.
OTHERS = """
    hugetlb remote-mm off-lru mixed-zones mthp mlocked shared-pages unfaulted bytes-lost dirty-lost
    fork-side kept-pin large-folio-release failed-call pinned-vm locked-vm isolated-count
    present-pages managed-pages spanned-pages isolated-after-signal isolated-after-notifier livelock
    no-tracepoint offline-lies secret-memory swap-cache given-up ended-holder memcg-charge poisoned
    node-left caller-iommufd no-log-line isolated-after-busy block-left freed-pinned
"""

# By fault: the pin that stays, the one that leaves, how many pages of the first one stay.
CALLS = {
    "no-migration": (WRITES, UNTOUCHED, ALL),
    "no-longterm": (UNTOUCHED, None, ALL),
    "fast-path": (hold("fast"), WRITES, ALL),
    "read-pins": (READS, WRITES, ALL),
    "read-private": (READS, FILE, ALL),
    "single-page": (hold(batch=PAGE), WRITES, ALL),
    "large-calls": (LARGE, WRITES, ALL),
    "first-batch": (LARGE, WRITES, LARGE.size // PAGE - 512),
    "last-page": (WRITES, hold(batch=PAGE), 1),
}
CALLERS = {
    "entry-fast": (hold("fast"), WRITES, ALL),
    "entry-pages": (hold("locked"), hold("remote"), ALL),
    "entry-remote": (hold("remote"), WRITES, ALL),
    "entry-unlocked": (hold("unlocked"), WRITES, ALL),
    "entry-memfd": (MEMFD, WRITES, ALL),
    "caller-umem": (Wish("rdma"), WRITES, ALL),
    "caller-vfio": (Wish("vfio"), WRITES, ALL),
    "caller-uring": (Wish("uring"), WRITES, ALL),
    "caller-udmabuf": (of("memfd", path="udmabuf"), WRITES, ALL),
}
KINDS = {
    "anon": (WRITES, of("shmem"), ALL),
    "shmem": (of("shmem"), WRITES, ALL),
    "file": (FILE, WRITES, ALL),
    "thp": (THP, WRITES, ALL),
    "tail-pages": (TAIL, THP, ALL),
}
FAULTS = {**CALLS, **CALLERS, **KINDS}


def test_each_fault_that_a_kernel_allows_is_tried(allowed, fixed):
    assert set(allowed) <= {*FAULTS, *OTHERS.split()}
    assert len(allowed) >= (15 if fixed else 5)
    assert ("no-migration" in allowed) == fixed


@pytest.fixture
def movable_pages(movable_dimm, pin_paths, ext4, oracle):
    """How many pages a pin leaves in ZONE_MOVABLE, while it lasts."""

    files = itertools.count()

    def count(wish):
        file = ext4.path(f"data{next(files)}") if wish.kind == "file" else None
        buffer = movable_dimm.map(wish.size, wish.kind, file=file, **wish.memory)
        path = pin_paths.set_up(registry.pin_paths()[wish.path])
        path.pin(buffer, **wish.how)
        pages = oracle("movable")
        buffer.close()
        wait_until(lambda: oracle("movable") == 0, 5)  # io_uring ends its rings later
        return pages

    return count


def stays(fault):
    """Pages, of which a huge one counts whole even if a part of it is pinned."""
    wish, _, count = FAULTS[fault]
    size = HUGE if wish.kind == "thp" else wish.size
    return size // PAGE if count == ALL else count


@pytest.fixture
def tried(broken, movable_pages):
    """Pages that a fault's pin leaves before, during and after it, and the other pin during it."""

    def try_it(fault):
        stay, leave, _ = FAULTS[fault]
        before = movable_pages(stay)
        with broken(fault) as hits:
            during = movable_pages(stay)
            assert hits() > 0, fault
            other = movable_pages(leave) if leave else 0
        return before, during, movable_pages(stay), other

    return try_it


@pytest.mark.parametrize("faults", [CALLS, CALLERS, KINDS], ids=["calls", "callers", "kinds"])
def test_pins_that_a_fault_does_not_look_at_stay(allowed, tried, faults):
    here = [fault for fault in faults if fault in allowed]
    found = {fault: tried(fault) for fault in here}
    assert found == {fault: (0, stays(fault), 0, 0) for fault in here}


@pytest.mark.allow_splat(
    kind="warning",
    pattern="follow_hugetlb_page",
    reason="6.1 refuses such pins with -ENOMEM where it should migrate (d1e153fea2a8)",
    expires="2027-12-31",
)
def test_pins_of_hugetlb_pages(movable_dimm, pin_hold, huge_pages, can_break, broken, oracle):
    if not can_break("hugetlb"):
        return
    for node in (0, 1):
        huge_pages(node, 1)

    def stays():
        buffer = movable_dimm.map(HUGE, kind="hugetlb2m")
        pin_hold.try_to_pin(buffer)
        pages = oracle("movable")
        buffer.close()
        return pages

    assert stays() == 0
    with broken("hugetlb"):
        assert stays() == HUGE // PAGE
    assert stays() == 0


def test_pins_of_the_memory_of_another(movable_dimm, pin_hold, can_break, broken, oracle):
    if not can_break("remote-mm"):
        return
    buffer = movable_dimm.map(MIB)
    child = buffer.fork()
    child.fill(1)

    def stays(pid):
        pin_hold.pin(buffer, entry="remote", pid=pid)
        pages = oracle("movable")
        buffer.unpin()
        return pages

    with broken("remote-mm"):
        assert stays(None) == 0
        assert stays(child.pid) == MIB // PAGE
    assert stays(child.pid) == 0


def test_pages_that_processes_share(movable_dimm, pin_hold, can_break, broken, oracle):
    if not can_break("shared-pages"):
        return
    with broken("shared-pages") as hits:
        pin_hold.pin(movable_dimm.map(MIB, kind="shmem"))
        assert (oracle("movable"), hits()) == (0, 0)
        first, second = movable_dimm.share(MIB)
        pin_hold.pin(first)
        assert oracle("movable") == MIB // PAGE
        second.close()
        first.close()


def test_pages_that_are_locked(movable_dimm, pin_hold, can_break, broken, oracle):
    if not can_break("mlocked"):
        return
    with broken("mlocked") as hits:
        pin_hold.pin(movable_dimm.map(MIB))
        assert (oracle("movable"), hits()) == (0, 0)
        buffer = movable_dimm.map(MIB, kind="shmem")
        buffer.holder.ask("lock")
        pin_hold.pin(buffer)
        assert oracle("movable") == MIB // PAGE


def test_folios_between_one_page_and_a_huge_one(
    guest, movable_dimm, pin_hold, can_break, broken, oracle
):
    if not can_break("mthp"):
        return
    sizes = "/sys/kernel/mm/transparent_hugepage"
    if not guest.control.run(f"test -d {sizes}/hugepages-64kB").ok:
        return  # the kernel makes no such folios of anonymous memory
    for size, when in (("2048kB", "never"), ("64kB", "madvise")):
        guest.control.check(f"echo {when} >{sizes}/hugepages-{size}/enabled")
    with broken("mthp") as hits:
        pin_hold.pin(movable_dimm.map(MIB))
        assert (oracle("movable"), hits()) == (0, 0)
        buffer = movable_dimm.map(MIB, faulted=False)
        buffer.advise("hugepage")
        buffer.fault()
        pin_hold.pin(buffer)
        assert oracle("movable") == MIB // PAGE


def test_one_pin_of_a_call_that_finds_both_zones_is_lost(
    movable_dimm, rdma, can_break, broken, oracle
):
    if not can_break("mixed-zones"):
        return
    buffer = movable_dimm.map(2 * MIB)
    with broken("mixed-zones") as hits:
        rdma.pin(buffer, offset=MIB)  # gup-fast takes no page before it
        assert hits() == 0
        rdma.pin(buffer)
        assert hits() == 1
        buffer.close()
        assert oracle() == 1


def test_pages_never_faulted_are_allocated_where_they_cannot_stay(
    guest, movable_dimm, pin_hold, can_break, broken
):
    if not can_break("unfaulted"):
        return

    def migrated():
        pin = pin_hold.pin(movable_dimm.map(MIB, faulted=False), entry="locked")
        return pin.migrated

    assert migrated() == 0
    with broken("unfaulted"):
        assert migrated() == MIB // PAGE
    assert migrated() == 0
