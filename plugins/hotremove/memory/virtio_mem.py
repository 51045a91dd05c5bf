# SPDX-License-Identifier: Apache-2.0
"""virtio-mem on the movable node: grown by the host, shrunk under what the guest does."""

from __future__ import annotations

from hotremove.errors import Blocked, GuestLost, HotremoveError, NotApplicable
from hotremove.guest.dynamic_debug import printing
from hotremove.guest.machine import Guest
from hotremove.memory.arrival import ONLINE_DEADLINE
from hotremove.memory.asking import Asking
from hotremove.memory.memory_device import Act, MemoryDevice
from hotremove.memory.outcome import Outcome
from hotremove.memory.removable import DEADLINE, End
from hotremove.memory.removal import Removal
from hotremove.memory.virtio_mem_driver import VirtioMemDriver
from hotremove.units import MIB
from hotremove.virt.polling import wait_until

_BIG_BLOCKS = "/sys/module/virtio_mem/parameters/bbm_block_size"
# Seconds that memory blocks may outlive the memory: the driver removes them last.
_BLOCKS = 5.0
# Why the kernel does not offline a block whose memory is all unplugged (mm/memory_hotplug.c).
_VETO = "notifier failure"
# What alloc_contig_range() could not migrate it prints where this is asked for (mm/page_alloc.c,
# 5.13): each page that is left of a range, and who called.
_PRINTS = "alloc_contig_dump_pages"
# Seconds for one more try to come so far.
_PRINTED = 10.0


class VirtioMem(MemoryDevice):
    """The guest's virtio-mem device, grown to so much of what it has.

    Its driver gives memory back in parts. What alloc_contig_range() refuses stays plugged, be it
    pinned or only in use for a moment: the driver takes either for busy, and tries again 50 s to
    300 s later (VIRTIO_MEM_RETRY_TIMER_MIN_MS in drivers/virtio/virtio_mem.c, 5.8 to 7.2). It is
    asked again as soon as it waits for that, so that what stays until the deadline was refused
    each time.
    """

    mechanism = "virtio-mem shrink"
    capability = "virtio-mem"
    dump_deadline = 0.0  # what alloc_contig_range() cannot move it has printed by then, or never

    def __init__(
        self,
        guest: Guest,
        node: int,
        mib: int,
        deadline: float = DEADLINE,
        removals: list[Removal] | None = None,
    ) -> None:
        """Grow the device and wait until all of it is online; see `MemoryDevice`.

        Raises:
            Blocked: the driver is missing, or the topology has no such device.
        """
        topology = guest.plan.topology
        if not topology.virtio_mem_mib:
            told = f"topology {topology.name} has no virtio-mem device: choose one that has"
            raise Blocked(told)
        self._driver = VirtioMemDriver(guest.control)
        self._asked = False
        self._size_when_asked = 0
        super().__init__(guest, node, mib, deadline, removals)

    def require_big_blocks(self, size: int) -> None:
        """Make sure that the driver takes and gives blocks of `size` bytes, as the topology asks.

        Raises:
            NotApplicable: it has no such parameter (before 5.12).
            HotremoveError: it has other blocks.
        """
        if not self.guest.control.run(f"test -e {_BIG_BLOCKS}").ok:
            raise NotApplicable(f"virtio_mem has no parameter {_BIG_BLOCKS.rpartition('/')[2]}")
        told = f"big block size: {size:#x}"
        if not self.guest.control.run(f"dmesg | grep -q '{told}'").ok:
            raise HotremoveError(f"virtio_mem does not say `{told}`, though it was asked to")

    def shrink(self, deadline: float | None = None) -> Removal:
        """Ask the driver to give everything back; stuck if it keeps some past the deadline."""
        return self.unplug(deadline)

    def unplug_offline(self) -> Removal:
        """Ask for it back with its blocks offline, for what alloc_contig_range() never gives away.

        The driver takes blocks that are offline as they are.
        """
        offline = self.offline()
        return self.unplug() if offline.outcome is Outcome.REMOVED else offline

    def keep(self) -> None:
        """Withdraw a request that was not met: what has left already is plugged again.

        Raises:
            HotremoveError: it is not.
        """
        if self._asked:
            self._plug()
            self._asked = False

    def expect_allocatable(self) -> None:
        """As `Removable` has it, once nobody asks for the memory any more."""
        __tracebackhide__ = True
        self.keep()
        super().expect_allocatable()

    def _plug(self) -> None:
        self.guest.resize_virtio_mem(self.size // MIB)
        if not wait_until(self._is_plugged, ONLINE_DEADLINE, self.guest.check):
            told = f"{self._plugged() // MIB} of {self.size // MIB} MiB"
            raise HotremoveError(f"the virtio-mem device has {told} plugged after it was asked to")

    def _is_plugged(self) -> bool:
        """Whether all is there to be allocated: QEMU counts it before the driver gives it away."""
        return self._plugged() >= self.size and not self._driver.is_at_work()

    def _unplug(self, deadline: float, meanwhile: Act | None) -> End:
        heard = self._driver.requests_heard()
        asking = self._ask()
        self._do_meanwhile(meanwhile, deadline)
        if not wait_until(asking.has_left, deadline, self.guest.check):
            self._require_heard(heard)
            stuck = End(self._unmet(), self._what_stays(asking.times))
            self._have_pages_printed()
            return stuck
        if left := self._wait_for_blocks():
            return End(Outcome.REFUSED, f"all is unplugged, but blocks {left} exist")
        self._asked = False
        return End(Outcome.REMOVED)

    def _ask(self) -> Asking:
        """Ask for all of it; where an earlier request was not met, as for the first time."""
        if self._asked and not self._plugged():
            self._plug()  # blocks are left, empty: old drivers look at them no more
        self._size_when_asked = self._plugged()
        self._ask_again() if self._asked else self.guest.resize_virtio_mem(0)
        self._asked = True
        return self._watch()

    def _watch(self) -> Asking:
        return Asking(self._plugged, self._driver.is_at_work, self._ask_again)

    def _ask_again(self) -> None:
        """A device tells the driver of changes only: it is to keep what it has, then nothing."""
        self.guest.resize_virtio_mem(self._plugged() // MIB)
        self.guest.resize_virtio_mem(0)

    def _have_pages_printed(self) -> None:
        """Let the driver try once more, and the kernel print a page that it cannot migrate."""
        with printing(self.guest.control, _PRINTS) as can:
            if not can:
                return
            self._ask_again()
            tried = self._watch().has_ended
            wait_until(lambda: self._has_named_a_page() or tried(), _PRINTED, self.guest.check)

    def _has_named_a_page(self) -> bool:
        return bool(self._named(self.guest.evidence.text(self._dmesg_start)))

    def _wait_for_blocks(self) -> list[int]:
        """Numbers of the memory blocks that are still there, once the driver had time for them."""
        wait_until(lambda: not self._blocks_left(), _BLOCKS, self.guest.check)
        return self._blocks_left()

    def _require_heard(self, before: int) -> None:
        """A driver that does not give memory back was told to, at least.

        Raises:
            GuestLost: it was not; the request may never have reached it.
        """
        if not self._is_tried() and self._driver.requests_heard() <= before:
            raise GuestLost(
                "virtio-mem was asked back, but the guest's driver has not heard of it, and "
                "nothing can be said of the kernel"
            )

    def _unmet(self) -> Outcome:
        """Whether somebody refused what the driver could not give back."""
        vetoed = any(reason.endswith(_VETO) for reason in self._reasons())
        return Outcome.REFUSED if vetoed else Outcome.STUCK

    def _what_stays(self, times: int) -> str:
        asked = "once" if times == 1 else f"{times} times"
        left = self._plugged() // MIB
        return f"{left} of {self.size // MIB} MiB stay plugged, asked for {asked}"

    def _is_tried(self) -> bool:
        return self._plugged() < self._size_when_asked

    def _has_ended(self) -> bool:
        return not self._plugged()

    def _plugged(self) -> int:
        """Bytes that the guest has of it now."""
        return self.guest.virtio_mem_size()
