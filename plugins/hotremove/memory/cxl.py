# SPDX-License-Identifier: Apache-2.0
"""Memory of a CXL type-3 device: a region is made of it, and its DAX device given to kmem."""

from __future__ import annotations

import time

from hotremove.errors import Blocked
from hotremove.guest.capability import refusal, require
from hotremove.guest.machine import Guest
from hotremove.kernels.capabilities import find
from hotremove.memory.cxl_region import BUS, FIND, Parts, Region, next_region, parse_parts
from hotremove.memory.kmem import KmemMemory
from hotremove.memory.outcome import Outcome
from hotremove.memory.removable import DEADLINE, End
from hotremove.memory.removal import Removal
from hotremove.memory.write import parse_write, write_command
from hotremove.virt.polling import wait_until

_CAPABILITY = find("CXL memory")
# QEMU saves nothing of the port and of what is below it, so that a restored guest's have no bus and
# no addresses any more; the kernel gives them some when it finds them again.
_FIND_AGAIN = (
    "cd /sys/bus/pci && for d in $(grep -ls 0x7075 devices/*/device); "
    "do echo 1 >${d%/device}/remove; done; echo 1 >rescan"
)
_DAX = "/sys/bus/dax/devices/dax0.0"
# Seconds until drivers that probe in the background are done; they take less than one.
_PROBED = 20.0


class CxlMemory(KmemMemory):
    """All volatile memory of the guest's CXL device, in one region."""

    def __init__(
        self,
        guest: Guest,
        deadline: float = DEADLINE,
        removals: list[Removal] | None = None,
    ) -> None:
        """Make a region, bind its DAX device to kmem and wait until all of it is online.

        Raises:
            CapabilityAbsent: the kernel was built without a driver.
            Blocked: there is no region, or the topology has no CXL device.
        """
        topology = guest.plan.topology
        require(guest, _CAPABILITY)
        if not topology.cxl_mib:
            raise Blocked(f"topology {topology.name} has no CXL memory: choose one that has")
        super().__init__(
            guest, topology.movable_node, topology.cxl_mib, self._plug, deadline, removals
        )

    def unplug(self, deadline: float | None = None) -> Removal:
        """Offline its blocks, unbind kmem, destroy the region, and remove the device from PCI."""
        return self._observe("CXL region destruction", deadline, self._unplug)

    def expect_gone(self) -> None:
        """Require that nothing is left of it: no memory device, no region, no node.

        Raises:
            AssertionError: with what is left.
        """
        __tracebackhide__ = True
        left = self.guest.control.run(f"cd {BUS} && ls -d mem* region* dax_region*").text.split()
        assert not left, f"the CXL memory is removed, and there are: {', '.join(left)}"
        self.expect_node_gone()

    def _plug(self) -> None:
        self.guest.control.check(_FIND_AGAIN)
        self._load(_CAPABILITY)
        parts = self._await_parts()
        name = self.guest.control.read(next_region(parts.window)).strip()
        self._region = Region(name, parts)
        self._create()
        wait_until(self._has_device, _PROBED, self.guest.check)
        self._bind(_CAPABILITY)

    def _await_parts(self) -> Parts:
        """What a region is made of, once the drivers have found all of it."""
        parts: Parts | None = None

        def found() -> bool:
            nonlocal parts
            parts = parse_parts(self.guest.control.run(FIND).text)
            return parts is not None

        wait_until(found, _PROBED, self.guest.check)
        if parts is None:
            there = " ".join(self.guest.control.run(f"ls {BUS}").text.split()) or "nothing"
            raise refusal(self.guest, _CAPABILITY, f"the kernel finds no device: {there}")
        return parts

    def _create(self) -> None:
        for file, text in self._region.creation(self.size):
            try:
                self.guest.control.write(file, text)
            except OSError as error:
                told = f"writing {text} to {file}: {error.strerror}"
                raise refusal(self.guest, _CAPABILITY, told) from error

    def _has_device(self) -> bool:
        return self.guest.control.run(f"test -e {_DAX}").ok

    def _unplug(self, deadline: float) -> End:
        """A region that is destroyed with a block online takes memory away under the kernel."""
        end = time.monotonic() + deadline
        ended = self._unbind(deadline)
        device = self.guest.control.run(f"readlink -f {BUS}/{self._region.parts.device}")
        leaving = (f"{device.text.strip().rpartition('/')[0]}/remove", "1")
        for file, text in (*self._region.destruction(), leaving):
            if ended.outcome is not Outcome.REMOVED:
                break
            ended = self._write(file, text, max(end - time.monotonic(), 0.1))
        return ended

    def _write(self, file: str, text: str, deadline: float) -> End:
        done = self.guest.control.run(write_command(text, file), deadline)
        if done.ending == "deadline":
            return End(Outcome.STUCK, f"writing {text} to {file}")
        written = parse_write(done)
        if written.error:
            return End(Outcome.REFUSED, f"writing {text} to {file}: {written}")
        return End(Outcome.REMOVED)
