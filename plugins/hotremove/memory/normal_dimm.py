# SPDX-License-Identifier: Apache-2.0
"""A DIMM in ZONE_NORMAL, where a pin need not move: what an isolated block of it does to one."""

from __future__ import annotations

from hotremove.guest.machine import Guest
from hotremove.guest.polling import wait_until
from hotremove.memory.blocks import SYSFS
from hotremove.memory.dimm import Dimm
from hotremove.memory.offline import Offline
from hotremove.memory.removable import DEADLINE
from hotremove.pins.buffer import Buffer


class NormalDimm(Dimm):
    """As `Dimm`, but onlined as memory that the kernel may use for anything."""

    zone = "Normal"
    policy = "online_kernel"

    def __init__(self, guest: Guest, node: int, mib: int, deadline: float = DEADLINE) -> None:
        """Plug it, with blocks going to ZONE_NORMAL when they come; see `Dimm`."""
        guest.control.write(f"{SYSFS}/auto_online_blocks", self.policy)
        super().__init__(guest, node, mib, deadline)

    def isolate_block_of(self, hold: Buffer) -> Offline:
        """Begin to offline the block of the first page of `hold`, which has to hold that up.

        The block is isolated before the kernel complains of the page that it cannot migrate.
        """
        page = hold.first_frame()
        block = next(block for block in self.blocks if page in block.frames)
        offline = Offline(self.guest, block, self.node, self.counters())
        wait_until(lambda: bool(self._dumps()) or offline.ends(0), self.deadline, self.guest.check)
        return offline
