# SPDX-License-Identifier: Apache-2.0
"""virtio-mem on the movable node: grown by the host, shrunk under what the guest does."""

from __future__ import annotations

from hotremove.errors import Blocked
from hotremove.guest.capability import require
from hotremove.guest.machine import Guest
from hotremove.kernels.capabilities import find
from hotremove.memory.outcome import Outcome
from hotremove.memory.removable import DEADLINE, End, Removable
from hotremove.memory.removal import Removal
from hotremove.units import MIB
from hotremove.virt.polling import wait_until

# Seconds that memory blocks may outlive the memory: the driver removes them last.
_BLOCKS = 5.0


class VirtioMem(Removable):
    """The guest's virtio-mem device, grown to all it has."""

    dump_deadline = 0.0  # what alloc_contig_range() cannot move it does not print

    def __init__(
        self,
        guest: Guest,
        deadline: float = DEADLINE,
        removals: list[Removal] | None = None,
    ) -> None:
        """Grow the device and wait until all of it is online; see `Removable`.

        Raises:
            CapabilityAbsent: the kernel was built without virtio_mem.
            Blocked: its files lack the module, or the topology has no such device.
        """
        topology = guest.plan.topology
        require(guest, find("virtio-mem"))
        if not topology.virtio_mem_mib:
            told = f"topology {topology.name} has no virtio-mem device: choose one that has"
            raise Blocked(told)
        mib = topology.virtio_mem_mib
        super().__init__(
            guest,
            topology.movable_node,
            mib,
            lambda: guest.resize_virtio_mem(mib),
            deadline,
            removals,
        )

    def shrink(self, deadline: float | None = None) -> Removal:
        """Ask the driver to give everything back; stuck if it keeps some past the deadline."""
        return self._observe("virtio-mem shrink", deadline, self._shrink)

    def _shrink(self, deadline: float) -> End:
        self.guest.resize_virtio_mem(0)
        gone = wait_until(lambda: not self.guest.virtio_mem_size(), deadline, self.guest.check)
        if gone and wait_until(lambda: not self._blocks_left(), _BLOCKS, self.guest.check):
            return End(Outcome.REMOVED)
        if gone:
            return End(Outcome.REFUSED, f"all is unplugged, but blocks {self._blocks_left()} exist")
        left = self.guest.virtio_mem_size() // MIB
        return End(Outcome.STUCK, f"{left} of {self.size // MIB} MiB stay plugged")
