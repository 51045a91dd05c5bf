# SPDX-License-Identifier: Apache-2.0
"""Memory whose zone the kernel chooses by itself, by the policy auto-movable."""

from __future__ import annotations

from hotremove.errors import CapabilityAbsent
from hotremove.guest.machine import Guest
from hotremove.guest.memory_blocks import SYSFS
from hotremove.memory.memory_device import MemoryDevice

_PARAMETERS = "/sys/module/memory_hotplug/parameters"
# Percent of a node's other memory that may be in ZONE_MOVABLE. By default 301: of 128 MiB less than
# 512 MiB that come, which would go to ZONE_NORMAL as a whole (mm/memory_hotplug.c,
# auto_movable_zone_for_pfn()).
_RATIO = 1000


class AutoMovable(MemoryDevice):
    """As a device has it, but onlined by nobody's word; the kernel finds it may be movable."""

    policy = "online"

    def _prepare(self, guest: Guest) -> None:
        """Set the policy.

        Raises:
            CapabilityAbsent: the kernel has no such policy, as before 5.15 (e83a437faa62).
        """
        policy = f"{_PARAMETERS}/online_policy"
        if not guest.control.run(f"test -e {policy}").ok:
            raise CapabilityAbsent(f"the kernel puts no memory in a zone by itself: no {policy}")
        guest.control.write(policy, "auto-movable")
        guest.control.write(f"{_PARAMETERS}/auto_movable_ratio", str(_RATIO))
        guest.control.write(f"{SYSFS}/auto_online_blocks", self.policy)
