# SPDX-License-Identifier: Apache-2.0
"""Soft-reserved memory as a DAX device, given to the kernel by the kmem driver and taken back."""

from __future__ import annotations

from hotremove.errors import Blocked
from hotremove.guest.capability import require
from hotremove.guest.machine import Guest
from hotremove.kernels.capabilities import find
from hotremove.memory.kmem import KmemMemory
from hotremove.memory.removable import DEADLINE
from hotremove.memory.removal import Removal

_CAPABILITY = find("dax/kmem")


class DaxKmem(KmemMemory):
    """Memory that dax_hmem makes a device of and the kmem driver adds to a node."""

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
            guest, topology.movable_node, topology.soft_reserved_mib, self._plug, deadline, removals
        )

    def _plug(self) -> None:
        self._load(_CAPABILITY)  # dax_hmem makes a device of what the firmware calls Soft Reserved
        self._bind(_CAPABILITY)
