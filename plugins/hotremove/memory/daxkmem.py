# SPDX-License-Identifier: Apache-2.0
"""Soft-reserved memory as a DAX device, given to the kernel by the kmem driver and taken back."""

from __future__ import annotations

from hotremove.errors import Blocked, HotremoveError
from hotremove.guest.capability import refusal, require
from hotremove.guest.machine import Guest
from hotremove.guest.memory_blocks import read_blocks
from hotremove.kernels.capabilities import find
from hotremove.memory.outcome import Outcome
from hotremove.memory.removable import DEADLINE, End, Removable
from hotremove.memory.removal import Removal
from hotremove.memory.write import parse_write, write_command
from hotremove.observe.nodelist import parse_list

_DEVICE = "dax0.0"
_DRIVERS = "/sys/bus/dax/drivers"
_NODES = "/sys/devices/system/node"
_CAPABILITY = find("dax/kmem")
# What the kernel says of memory that it could not remove.
_KEPT = "cannot be hotremoved until the next reboot"
_MODULES = "device_dax dax_hmem kmem"
# dax_hmem makes a device of memory that the firmware calls Soft Reserved. device_dax takes it
# first, or kmem at once: newer kernels prefer kmem where it is loaded.
_BIND = (
    f"modprobe -a {_MODULES} && cd {_DRIVERS} && "
    f"{{ ! test -e device_dax/{_DEVICE} || echo {_DEVICE} >device_dax/unbind; }} && "
    f"{{ test -e kmem/{_DEVICE} || echo {_DEVICE} >kmem/new_id; }} && test -e kmem/{_DEVICE}"
)


class DaxKmem(Removable):
    """Memory that a DAX device has and the kmem driver adds to a node."""

    told_where = False  # the node is what dax_hmem makes of the firmware's tables

    def __init__(
        self,
        guest: Guest,
        deadline: float = DEADLINE,
        removals: list[Removal] | None = None,
    ) -> None:
        """Bind the device to kmem and wait until all of it is online; see `Removable`.

        Raises:
            CapabilityAbsent: the kernel was built without a driver.
            Blocked: kmem does not get the device, or the topology has no soft-reserved memory.
        """
        topology = guest.plan.topology
        require(guest, _CAPABILITY)
        if not topology.soft_reserved_mib:
            told = f"topology {topology.name} has no soft-reserved memory: choose one that has"
            raise Blocked(told)
        super().__init__(
            guest, topology.movable_node, topology.soft_reserved_mib, self._bind, deadline, removals
        )

    def unbind(self, deadline: float | None = None) -> Removal:
        """Offline its blocks, then unbind the driver, which removes them."""
        return self._observe("dax/kmem unbind", deadline, self._unbind)

    def unbind_online(self, deadline: float | None = None) -> Removal:
        """Unbind the driver with all blocks online, so that the memory stays until the next boot.

        The kernel says so in its log, which is the removal's `remark`; the write itself succeeds
        (drivers/dax/kmem.c, dev_dax_kmem_remove()).
        """
        return self._observe("dax/kmem unbind", deadline, self._take_driver)

    def expect_node_gone(self) -> None:
        """Require that its node left with it, which has no processor and had no other memory.

        The last block that goes offline takes the node out of `has_memory`, the memory's removal
        takes it out of `online` (mm/memory_hotplug.c, offline_pages() and try_offline_node()).

        Raises:
            HotremoveError: the node has other memory.
            AssertionError: it is there still.
        """
        __tracebackhide__ = True
        others = [b.index for b in read_blocks(self.guest.control) if b.node == self.node]
        if others:
            raise HotremoveError(f"node {self.node} has other memory: blocks {others}")
        for state in ("has_memory", "online"):
            told = self.guest.control.read(f"{_NODES}/{state}").strip()
            assert self.node not in parse_list(told), (
                f"node {self.node} is left behind, though all of its memory has gone: "
                f"{_NODES}/{state} has {told}"
            )

    def bind_again(self) -> str:
        """Bind the driver once more: `bound`, or what the kernel says in refusing."""
        bound = self.guest.control.run(write_command(_DEVICE, f"{_DRIVERS}/kmem/bind"))
        written = parse_write(bound)
        return str(written) if written.error else "bound"

    def _bind(self) -> None:
        bound = self.guest.control.run(_BIND)
        if not bound.ok:
            said = bound.complaint or "there is none"
            raise refusal(self.guest, _CAPABILITY, f"kmem does not take {_DEVICE}: {said}")

    def _unbind(self, deadline: float) -> End:
        """Unbinding with a block online would keep the memory until the next boot (kmem.c)."""
        end = self._offline(deadline)
        if end.outcome is not Outcome.REMOVED:
            return end
        return self._take_driver(deadline)

    def _take_driver(self, deadline: float) -> End:
        unbound = self.guest.control.run(f"echo {_DEVICE} >{_DRIVERS}/kmem/unbind", deadline)
        if unbound.ending == "deadline":
            return End(Outcome.STUCK, f"unbinding {_DEVICE}")
        if left := self._blocks_left():
            told = f"kmem is unbound, but blocks {left} exist"
            kept = _KEPT in self.guest.dmesg(self._dmesg_start)
            return End(Outcome.REFUSED, f"{told}: {_KEPT}" if kept else told)
        return End(Outcome.REMOVED)
