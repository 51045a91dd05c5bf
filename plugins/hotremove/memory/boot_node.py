# SPDX-License-Identifier: Apache-2.0
"""A node whose boot memory the firmware calls hotpluggable: movable from boot by `movable_node`."""

from __future__ import annotations

from hotremove.errors import CapabilityAbsent
from hotremove.guest.firmware import CREATOR
from hotremove.guest.machine import Guest
from hotremove.memory.blocks import read_blocks
from hotremove.memory.removable import DEADLINE, Removable


class BootNode(Removable):
    """All of the movable node's memory, which was there at boot; `offline` takes it away."""

    def __init__(self, guest: Guest, deadline: float = DEADLINE) -> None:
        """Find its blocks and make sure that all are online in ZONE_MOVABLE; see `Removable`.

        Raises:
            CapabilityAbsent: the topology's node is not hotpluggable, or the kernel takes no ACPI
                tables from its initramfs.
        """
        topology = guest.plan.topology
        node = topology.nodes[topology.movable_node]
        if not node.hotpluggable:
            raise CapabilityAbsent(f"topology {topology.name} has no hotpluggable boot memory")
        if CREATOR not in guest.control.read("/sys/firmware/acpi/tables/SRAT"):
            raise CapabilityAbsent("the kernel lacks CONFIG_ACPI_TABLE_UPGRADE: QEMU's SRAT rules")
        super().__init__(guest, topology.movable_node, node.mib, lambda: None, deadline)

    def _known_blocks(self) -> set[int]:
        """The other nodes' blocks."""
        mine = self.guest.plan.topology.movable_node
        return {block.index for block in read_blocks(self.guest.control) if block.node != mine}
