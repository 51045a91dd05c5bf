# SPDX-License-Identifier: Apache-2.0
"""Memory of a DAX device, given to the kernel by the driver kmem and taken back."""

from __future__ import annotations

from hotremove.errors import HotremoveError
from hotremove.guest.capability import refusal
from hotremove.guest.memory_blocks import read_blocks
from hotremove.kernels.capabilities import Capability
from hotremove.memory.outcome import Outcome
from hotremove.memory.removable import End, Removable
from hotremove.memory.removal import Removal
from hotremove.memory.write import parse_write, write_command
from hotremove.observe.nodelist import parse_list

_DEVICE = "dax0.0"
_DRIVERS = "/sys/bus/dax/drivers"
_NODES = "/sys/devices/system/node"
# What the kernel says of memory that it could not remove.
_KEPT = "cannot be hotremoved until the next reboot"
# device_dax takes a new device first, or kmem at once: newer kernels prefer kmem where it is there.
_BIND = (
    f"cd {_DRIVERS} && "
    f"{{ ! test -e device_dax/{_DEVICE} || echo {_DEVICE} >device_dax/unbind; }} && "
    f"{{ test -e kmem/{_DEVICE} || echo {_DEVICE} >kmem/new_id; }} && test -e kmem/{_DEVICE}"
)


class KmemMemory(Removable):
    """Memory that the first DAX device has and the driver kmem adds to a node."""

    told_where = False  # the node is what the firmware's tables say of the device

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

    def _load(self, capability: Capability) -> None:
        """Load the drivers.

        Raises:
            CapabilityAbsent, Blocked: one of them is not loaded.
        """
        loaded = self.guest.control.run(f"modprobe -a {' '.join(capability.modules)}")
        if not loaded.ok:
            raise refusal(self.guest, capability, f"no driver: {loaded.complaint}")

    def _bind(self, capability: Capability) -> None:
        """Have kmem take the device, which is there, from whatever driver has it.

        Raises:
            CapabilityAbsent, Blocked: it does not.
        """
        bound = self.guest.control.run(_BIND)
        if not bound.ok:
            said = bound.complaint or "there is none"
            raise refusal(self.guest, capability, f"kmem does not take {_DEVICE}: {said}")

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
