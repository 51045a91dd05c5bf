# SPDX-License-Identifier: Apache-2.0
"""A node whose boot memory the firmware calls hotpluggable: movable from boot by `movable_node`."""

from __future__ import annotations

from hotremove.errors import Blocked, NotApplicable
from hotremove.guest.capability import refusal, require
from hotremove.guest.machine import Guest
from hotremove.guest.memory_blocks import read_blocks
from hotremove.kernels.capabilities import find
from hotremove.memory.removable import DEADLINE, Removable
from hotremove.memory.removal import Removal
from hotremove.virt.firmware import CREATOR

_CAPABILITY = find("movable boot memory")


class BootNode(Removable):
    """All of the movable node's memory, which was there at boot; `offline` takes it away."""

    told_where = False  # boot memory goes by the firmware alone

    def __init__(
        self,
        guest: Guest,
        deadline: float = DEADLINE,
        removals: list[Removal] | None = None,
    ) -> None:
        """Find its blocks and make sure that all are online in ZONE_MOVABLE; see `Removable`.

        Raises:
            NotApplicable: the kernel keeps all boot memory online.
            CapabilityAbsent: the kernel was built to take no ACPI tables from its initramfs.
            Blocked: the topology's node is not hotpluggable, or the kernel did not take the table.
        """
        if why := guest.plan.arch.keeps_boot_memory:
            raise NotApplicable(f"{guest.plan.arch} keeps boot memory online: {why}")
        topology = guest.plan.topology
        node = topology.nodes[topology.movable_node]
        if not node.hotpluggable:
            told = f"topology {topology.name} has no hotpluggable boot memory: choose one that has"
            raise Blocked(told)
        require(guest, _CAPABILITY)
        if CREATOR not in guest.control.read("/sys/firmware/acpi/tables/SRAT"):
            raise refusal(guest, _CAPABILITY, "the table SRAT is QEMU's, not the initramfs's")
        super().__init__(guest, topology.movable_node, node.mib, lambda: None, deadline, removals)

    def _known_blocks(self) -> set[int]:
        """The other nodes' blocks."""
        mine = self.guest.plan.topology.movable_node
        return {block.index for block in read_blocks(self.guest.control) if block.node != mine}
