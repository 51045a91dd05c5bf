# SPDX-License-Identifier: Apache-2.0
"""Memory that comes as a device of the running guest, and leaves when its host asks for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import ClassVar

from hotremove.errors import HotremoveError, NotApplicable
from hotremove.guest.capability import require
from hotremove.guest.machine import Guest
from hotremove.guest.memory_blocks import read_node_memory, read_zones
from hotremove.kernels.capabilities import find
from hotremove.memory.offline import Offline
from hotremove.memory.removable import DEADLINE, End, Removable
from hotremove.memory.removal import Removal
from hotremove.observe.counters import find_zone
from hotremove.observe.pagemap import PfnRuns
from hotremove.units import MIB
from hotremove.virt.polling import wait_until

Act = Callable[[], None]


class MemoryDevice(Removable, ABC):
    """What a DIMM and virtio-mem have in common: plugged, online, asked back, plugged again.

    Attributes:
        mechanism: how it is asked back, in words.
        capability: what it needs of a kernel, by its name in `kernels.capabilities`.
    """

    mechanism: ClassVar[str]
    capability: ClassVar[str]

    def __init__(
        self,
        guest: Guest,
        node: int,
        mib: int,
        deadline: float = DEADLINE,
        removals: list[Removal] | None = None,
    ) -> None:
        """Plug `mib` MiB on `node` and wait until all of it is online; see `Removable`.

        Raises:
            CapabilityAbsent: the kernel was built without what the device needs.
        """
        require(guest, find(self.capability))
        self._prepare(guest)
        super().__init__(guest, node, mib, self._plug, deadline, removals)

    def plug_again(self) -> None:
        """Plug it again after it has left, and wait until all of it is online, as at first.

        Raises:
            Misplaced, OnlineRefused, HotremoveError: as when it is made.
        """
        __tracebackhide__ = True
        self._arrive(self._plug)

    def unplug(
        self,
        deadline: float | None = None,
        meanwhile: Act | None = None,
        steady: bool = True,
    ) -> Removal:
        """Ask for all of it back, as an administrator does.

        `meanwhile` is called once the kernel has begun; something has to hold it up until then.
        Where others pin and unpin all the time, it is not `steady`.

        Raises:
            HotremoveError: it had left before `meanwhile` could be called.
        """
        remove = partial(self._unplug, meanwhile=meanwhile)
        return self._observe(self.mechanism, deadline, remove, steady=steady and meanwhile is None)

    def unplug_offline(self) -> Removal:
        """Ask for all of it back by way of offline_pages(), which is an eject's own way."""
        return self.unplug()

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

    def expect_gone(self) -> None:
        """Require that nothing of it is left: no memory block, no present page.

        Raises:
            AssertionError: with what is left.
        """
        __tracebackhide__ = True
        left = self._blocks_left()
        assert not left, f"memory blocks {left} of the removed memory are still there"
        zone = find_zone(read_zones(self.guest.control), self.node, "Movable")
        assert zone.present == 0, f"node {self.node}'s ZONE_MOVABLE still has {zone.present} pages"
        total = read_node_memory(self.guest.control, self.node)
        boot = self.guest.plan.topology.nodes[self.node].mib * MIB
        told = f"node {self.node} has {total} bytes (MemTotal, its managed pages)"
        assert total <= boot, f"{told}, more than it booted with"

    def _prepare(self, guest: Guest) -> None:
        """Have the guest put memory where it is to be, before any comes."""

    @abstractmethod
    def _plug(self) -> None:
        """Give it to the guest."""

    @abstractmethod
    def _unplug(self, deadline: float, meanwhile: Act | None) -> End:
        """Ask for it, and wait for the answer."""

    @abstractmethod
    def _is_tried(self) -> bool:
        """Whether the kernel has begun to take the memory away, since it was asked."""

    @abstractmethod
    def _has_ended(self) -> bool:
        """Whether nothing is under way any more."""

    def _do_meanwhile(self, act: Act | None, deadline: float) -> None:
        """Do something once the kernel has begun to take the memory away, and has not ended."""
        if act is None:
            return
        wait_until(self._is_tried, deadline, self.guest.check)
        if self._has_ended():
            told = f"the {self.mechanism} ended before anything could be done meanwhile"
            raise HotremoveError(told)
        act()
