# SPDX-License-Identifier: Apache-2.0
"""A DIMM on the movable node: plugged, onlined movable, asked back."""

from __future__ import annotations

import re

from hotremove.errors import CapabilityAbsent, GuestLost, HotremoveError
from hotremove.guest.machine import Guest
from hotremove.guest.memory_blocks import read_zones
from hotremove.memory.memory_device import Act, MemoryDevice
from hotremove.memory.outcome import Outcome
from hotremove.memory.removable import DEADLINE, End
from hotremove.memory.removal import Removal
from hotremove.observe.counters import find_zone
from hotremove.observe.pagemap import PAGE_BYTES
from hotremove.units import MIB
from hotremove.virt.clock import CLOCK
from hotremove.virt.hypervisor import DeviceEvent

_ACPI = re.compile(r"acpi \S+: (.*)|memory memory\d+: (.*)")
_MEMMAP = "/sys/module/memory_hotplug/parameters/memmap_on_memory"
_STRUCT_PAGE = 64  # bytes, on 64-bit kernels
_GLANCE = 0.3  # seconds from one look at the log to the next


class Dimm(MemoryDevice):
    """A hot-plugged DIMM; `alias` is its name for libvirt."""

    mechanism = "ACPI eject"
    capability = "DIMM plug and eject"

    def __init__(
        self,
        guest: Guest,
        node: int,
        mib: int,
        deadline: float = DEADLINE,
        removals: list[Removal] | None = None,
        alias: str = "ua-dimm0",
    ) -> None:
        """Plug it; see `MemoryDevice`."""
        self.alias = alias
        self._asked = False
        self._states_when_asked: dict[int, str] = {}
        super().__init__(guest, node, mib, deadline, removals)

    def eject(
        self,
        deadline: float | None = None,
        meanwhile: Act | None = None,
        steady: bool = True,
    ) -> Removal:
        """Ask for the DIMM by ACPI eject, as an administrator's libvirt does; see `unplug`."""
        return self.unplug(deadline, meanwhile, steady)

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

    def _plug(self) -> None:
        self.guest.plug_dimm(self.alias, self.size // MIB, self.node)

    def _unplug(self, deadline: float, meanwhile: Act | None) -> End:
        if not self._asked:
            # A request stays with the guest until it is answered; a second one would be refused.
            self._states_when_asked = self._states()
            self.guest.request_removal(self.alias)
        self._asked = True
        self._do_meanwhile(meanwhile, deadline)
        event = self._await_answer(deadline)
        if event is None:
            self._require_attempt()
            return End(Outcome.STUCK)
        self._asked = False
        if event.kind == "refused":
            return End(Outcome.REFUSED, self._acpi_message())
        if left := self._blocks_left():
            return End(Outcome.REFUSED, f"DEVICE_REMOVED came, but blocks {left} exist")
        return End(Outcome.REMOVED)

    def _await_answer(self, deadline: float) -> DeviceEvent | None:
        """The guest's answer; None after `deadline` seconds, or once there will be none."""
        if not self.guest.patience.ends_on_sight:
            return self.guest.wait_for_removal(self.alias, deadline)
        end = CLOCK.now() + deadline
        while (left := end - CLOCK.now()) > 0:
            event = self.guest.wait_for_removal(self.alias, min(left, _GLANCE))
            if event or self._is_held_for_good():
                return event
        return None

    def _has_ended(self) -> bool:
        return bool(self.guest.wait_for_removal(self.alias, 0))

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
