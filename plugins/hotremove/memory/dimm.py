# SPDX-License-Identifier: Apache-2.0
"""A DIMM on the movable node: plugged, onlined movable, asked back."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from hotremove.errors import CapabilityAbsent, GuestLost, HotremoveError, NotApplicable
from hotremove.guest.capability import require
from hotremove.guest.machine import Guest
from hotremove.guest.memory_blocks import read_node_memory, read_zones
from hotremove.kernels.capabilities import find
from hotremove.memory.offline import Offline
from hotremove.memory.outcome import Outcome
from hotremove.memory.removable import DEADLINE, End, Removable
from hotremove.memory.removal import Removal
from hotremove.observe.counters import find_zone
from hotremove.observe.pagemap import PAGE_BYTES, PfnRuns
from hotremove.units import MIB
from hotremove.virt.polling import wait_until

_ACPI = re.compile(r"acpi \S+: (.*)|memory memory\d+: (.*)")
_MEMMAP = "/sys/module/memory_hotplug/parameters/memmap_on_memory"
_STRUCT_PAGE = 64  # bytes, on 64-bit kernels


class Dimm(Removable):
    """A hot-plugged DIMM; `alias` is its name for libvirt."""

    def __init__(
        self,
        guest: Guest,
        node: int,
        mib: int,
        deadline: float = DEADLINE,
        alias: str = "ua-dimm0",
        removals: list[Removal] | None = None,
    ) -> None:
        """Plug `mib` MiB on `node` and wait until all of it is online; see `Removable`.

        Raises:
            CapabilityAbsent: the kernel was built without ACPI's memory hotplug.
        """
        require(guest, find("DIMM plug and eject"))
        self.alias = alias
        self._asked = False
        self._states_when_asked: dict[int, str] = {}
        super().__init__(
            guest, node, mib, lambda: guest.plug_dimm(alias, mib, node), deadline, removals
        )

    def plug_again(self) -> None:
        """Plug it again after it has left, and wait until all of it is online, as at first.

        Raises:
            Misplaced, OnlineRefused, HotremoveError: as when it is made.
        """
        __tracebackhide__ = True
        self._arrive(lambda: self.guest.plug_dimm(self.alias, self.size // MIB, self.node))

    def eject(
        self,
        deadline: float | None = None,
        meanwhile: Callable[[], None] | None = None,
        steady: bool = True,
    ) -> Removal:
        """Ask for the DIMM by ACPI eject, as an administrator's libvirt does.

        `meanwhile` is called once the kernel has begun; something has to hold it up until then.
        Where others pin and unpin all the time, it is not `steady`.

        Raises:
            HotremoveError: the eject ended before `meanwhile` could be called.
        """
        remove = partial(self._eject, meanwhile=meanwhile)
        return self._observe("ACPI eject", deadline, remove, steady=steady and meanwhile is None)

    def start_offline_of_pinned_block(self) -> Offline:
        """Begin to offline, in the background, the block that holds most pages of the pins.

        Raises:
            NotApplicable: no block holds any.
        """
        pinned = PfnRuns.of(run for pin in self.pins for run in pin.frames.runs)
        if not pinned & self.frames:
            raise NotApplicable(
                "the kernel moved all pages out of the memory as it pinned them: "
                f"{', '.join(pin.holder for pin in self.pins) or 'nothing is pinned'}"
            )
        return Offline(self.guest, self._fullest_block(pinned), self.node, self.counters())

    def require_own_memmap(self) -> None:
        """Make sure that the DIMM itself holds the struct pages of its memory.

        Raises:
            CapabilityAbsent: the kernel knows no such thing, as before 5.13 (a08a2ae34613).
            HotremoveError: it does, but they lie elsewhere.
        """
        if not self.guest.control.run(f"test -e {_MEMMAP}").ok:
            raise CapabilityAbsent(f"memory never holds its own struct pages: no {_MEMMAP}")
        zone = find_zone(read_zones(self.guest.control), self.node, self.zone)
        own = zone.present - zone.managed
        wanted = self.frames.pages * _STRUCT_PAGE // PAGE_BYTES
        if own < wanted:
            said = self.guest.control.read(_MEMMAP).strip()
            told = f"{own} pages of the DIMM hold struct pages, {wanted} should"
            raise HotremoveError(f"{told}; memmap_on_memory is {said}")

    def expect_gone(self) -> None:
        """Require that nothing of the DIMM is left: no memory block, no present page.

        Raises:
            AssertionError: with what is left.
        """
        __tracebackhide__ = True
        left = self._blocks_left()
        assert not left, f"memory blocks {left} of the removed DIMM are still there"
        zone = find_zone(read_zones(self.guest.control), self.node, "Movable")
        assert zone.present == 0, f"node {self.node}'s ZONE_MOVABLE still has {zone.present} pages"
        total = read_node_memory(self.guest.control, self.node)
        boot = self.guest.plan.topology.nodes[self.node].mib * MIB
        assert total <= boot, f"node {self.node} has {total} bytes, more than it booted with"

    def _eject(self, deadline: float, meanwhile: Callable[[], None] | None) -> End:
        if not self._asked:
            # A request stays with the guest until it is answered; a second one would be refused.
            self._states_when_asked = self._states()
            self.guest.request_removal(self.alias)
        self._asked = True
        if meanwhile:
            self._await_attempt(deadline)
            meanwhile()
        event = self.guest.wait_for_removal(self.alias, deadline)
        if event is None:
            self._require_attempt()
            return End(Outcome.STUCK)
        self._asked = False
        if event.kind == "refused":
            return End(Outcome.REFUSED, self._acpi_message())
        if left := self._blocks_left():
            return End(Outcome.REFUSED, f"DEVICE_REMOVED came, but blocks {left} exist")
        return End(Outcome.REMOVED)

    def _await_attempt(self, deadline: float) -> None:
        """Wait until the kernel has begun to offline the DIMM, and see that it has not ended."""
        wait_until(self._is_tried, deadline, self.guest.check)
        if self.guest.wait_for_removal(self.alias, 0):
            raise HotremoveError("the eject ended before anything could be done meanwhile")

    def _is_tried(self) -> bool:
        return self._states() != self._states_when_asked

    def _states(self) -> dict[int, str]:
        """The state of each of its blocks that exists."""
        return {block.index: block.state for block in self._blocks_now()}

    def _require_attempt(self) -> None:
        """A kernel that is stuck has a block `going-offline`, or some offline that were not before.

        Raises:
            GuestLost: it does not try; the request may never have reached it.
        """
        if not self._is_tried():
            raise GuestLost(
                "the DIMM was asked back, but the guest's kernel has not begun to offline it: "
                "the ACPI event may have been lost, and nothing can be said of the kernel"
            )

    def _acpi_message(self) -> str:
        lines = self.guest.dmesg(self._dmesg_start).splitlines()
        said = [line.partition(";")[2] for line in lines if _ACPI.search(line)]
        return said[-1] if said else "the guest gave no reason"
