# SPDX-License-Identifier: Apache-2.0
"""Closing a guest's books: all that a test took is given back, and then everything adds up.

Pins are counted since 1970ff65e2f8 (5.7), by node; a kernel that has no such counter is not asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from hotremove.guest.machine import Guest, MemoryHolder
from hotremove.guest.memory_blocks import read_blocks
from hotremove.observe.books import (
    MACHINE,
    Books,
    count_unaccounted,
    find_errors,
    parse_isolated_blocks,
)
from hotremove.observe.counters import parse_meminfo, parse_vmstat, parse_zoneinfo
from hotremove.observe.nodelist import parse_list
from hotremove.virt.polling import wait_until

# Seconds that what is given back may take to arrive: io_uring and vfio work off a part later.
SETTLES = 3.0
# The same in seconds where a removal was held up until now, and goes on: all blocks of a DIMM.
UNSTICKS = 30.0
# Seconds that a killed program of a test may take to end.
_ENDS = 5.0
_REFRESH = "/proc/sys/vm/stat_refresh"
_FILES = ("/proc/vmstat", "/proc/meminfo", "/proc/zoneinfo", "/proc/pagetypeinfo")
_NODES = ("/sys/devices/system/node/possible", "/sys/devices/system/node/online")
_CHARGES = ("VmPin", "VmLck")


class BooksOpen(AssertionError):
    """Something that was taken is not given back, or the kernel's counts do not add up."""


def read_books(guest: Guest) -> Books:
    """The guest's books now; all files in one round trip, the memory blocks in another.

    Each CPU keeps some of a node's events to itself until stat_refresh is read (mm/vmstat.c).
    """
    nodes = {f"node {n}": _vmstat_of(n) for n in range(len(guest.plan.topology.nodes))}
    found = guest.control.read_existing([_REFRESH, *_FILES, *_NODES, *nodes.values()])
    vmstat, meminfo, zoneinfo, types = (found.get(path, "") for path in _FILES)
    possible, online = (parse_list(found.get(path, "")) for path in _NODES)
    machine = parse_vmstat(vmstat)
    pins = {place: parse_vmstat(found[path]) for place, path in nodes.items() if path in found}
    return Books(
        pins={**pins, MACHINE: machine},
        isolated=machine.isolated,
        zones=parse_zoneinfo(zoneinfo),
        blocks=read_blocks(guest.control),
        isolated_blocks=parse_isolated_blocks(types),
        unaccounted=count_unaccounted(parse_meminfo(meminfo), zoneinfo),
        away=possible - online,
    )


@dataclass
class GuestBooks:
    """The books of one guest, from when they were opened.

    Attributes:
        guest: whose.
        opened: what they said then.
    """

    guest: Guest
    opened: Books = field(init=False)

    def __post_init__(self) -> None:
        """Open them."""
        self.opened = read_books(self.guest)

    def close(self, held_up: bool = False) -> None:
        """End all that a test started in the guest, and require that nothing of it is left.

        `held_up`: a removal is still waiting for what the test holds.

        Raises:
            BooksOpen: a line for all that does not add up.
            DataLost: memory that it has mapped still does not hold what was written to it.
            HolderStuck: the kernel does not let a holder end.
            GuestLost, GuestDied: nothing can be seen any more.
        """
        __tracebackhide__ = True
        held = tuple(words for holder in self.guest.holders for words in holder.held)
        with self.guest.timeline.span("close the books"):
            charged = self._release()
            self.guest.control.end_jobs(_ENDS)
            errors = [*charged, *self._settle(UNSTICKS if held_up else SETTLES)]
        if errors:
            raise BooksOpen(_told(errors, held))

    def _release(self) -> list[str]:
        """Unpin and end the holders; charges that are left on one without a pin, in words."""
        running = [holder for holder in self.guest.holders if holder.running]
        for holder in running:
            if holder.held:
                holder.unpin()
            else:
                holder.check_data()
        wait_until(lambda: not self._charges(running), SETTLES, self.guest.check)
        left = self._charges(running)
        for holder in running:
            holder.close()
        return left

    def _charges(self, holders: Iterable[MemoryHolder]) -> list[str]:
        """What holders that have nothing pinned are charged with; who has ended is not."""
        paths = {f"/proc/{holder.pid}/status": holder for holder in holders}
        return [
            f"pid {paths[path].pid}: {name} {size:,} bytes with nothing pinned, expected {due:,}"
            for path, text in self.guest.control.read_existing(paths).items()
            for name, due in zip(_CHARGES, (0, paths[path].locked), strict=True)
            if (size := _size_of(name, text)) != due
        ]

    def _settle(self, deadline: float) -> list[str]:
        """What does not add up, once all does or after `deadline` seconds."""
        errors: list[str] = []
        mapped = self.guest.plan.arch.direct_map_bytes

        def adds_up() -> bool:
            now = read_books(self.guest)
            partial = bool(self.guest.plan.topology.virtio_mem_mib)
            moving = [f"memory{b.index}: {b.state} with nothing held" for b in now.in_motion]
            errors[:] = moving or find_errors(self.opened, now, partial, mapped)
            return not errors

        wait_until(adds_up, deadline, self.guest.check)
        return errors


def _vmstat_of(node: int) -> str:
    return f"/sys/devices/system/node/node{node}/vmstat"


def _size_of(name: str, status: str) -> int:
    """A size of /proc/PID/status in bytes; 0 of a process that has no memory any more."""
    sizes = (line.split() for line in status.splitlines() if line.startswith(f"{name}:"))
    return next((int(words[1]) << 10 for words in sizes), 0)


def _told(errors: list[str], held: tuple[str, ...]) -> str:
    holders = f" (held until the end: {', '.join(held)})" if held else ""
    return f"books: {'; '.join(errors)}{holders}"
