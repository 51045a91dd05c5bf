# SPDX-License-Identifier: Apache-2.0
"""A control group of the guest: a limit on memory, and processes that are frozen."""

from __future__ import annotations

from hotremove.errors import HotremoveError
from hotremove.guest.capability import refusal, require
from hotremove.guest.machine import Guest
from hotremove.kernels.capabilities import find
from hotremove.pins.buffer import Buffer
from hotremove.units import MIB
from hotremove.virt.polling import wait_until

_ROOT = "/run/cgroup"
_GROUP = f"{_ROOT}/pinner"
_CAPABILITY = find("memory cgroups")
# What page tables, the process itself and the pin's own bookkeeping may be charged with.
_KERNELS_OWN = MIB
_FROZEN = 10.0


class Cgroup:
    """A group of its own in the second version's hierarchy, with the memory controller."""

    def __init__(self, guest: Guest) -> None:
        """Make it; nothing is in it.

        Raises:
            CapabilityAbsent: the kernel was built without memory cgroups.
            Blocked: it is not made, though the kernel may have been built with them.
        """
        require(guest, _CAPABILITY)
        self.guest = guest
        made = guest.control.run(
            f"mkdir -p {_ROOT} && mount -t cgroup2 cgroup2 {_ROOT} && "
            f"echo +memory >{_ROOT}/cgroup.subtree_control && mkdir {_GROUP}"
        )
        if not made.ok:
            raise refusal(guest, _CAPABILITY, f"no {_GROUP}: {made.complaint}")

    def add(self, buffer: Buffer) -> None:
        """Put a buffer's holder into it; what it has already stays charged elsewhere."""
        self._write("cgroup.procs", str(buffer.pid))

    def limit(self, size: int) -> None:
        """Let what is in it have `size` bytes at most, and the kernel's own for them."""
        self._write("memory.max", str(size + _KERNELS_OWN))

    def freeze(self) -> None:
        """Stop its processes, wherever they are.

        Raises:
            HotremoveError: they go on.
        """
        self._write("cgroup.freeze", "1")
        if not wait_until(self._is_frozen, _FROZEN, self.guest.check):
            raise HotremoveError(f"the processes in {_GROUP} are not frozen in {_FROZEN:g} s")

    def thaw(self) -> None:
        """Let its processes go on."""
        self._write("cgroup.freeze", "0")

    def expect_charged(self, size: int) -> None:
        """Require that it is charged with `size` bytes, give or take the kernel's own.

        Raises:
            AssertionError: with what it is charged with.
        """
        __tracebackhide__ = True
        charged = int(self.read("memory.current"))
        told = f"memory.current is {charged} bytes, of {size} bytes and the kernel's own"
        assert abs(charged - size) <= _KERNELS_OWN, told

    def _is_frozen(self) -> bool:
        return "frozen 1" in self.read("cgroup.events")

    def read(self, name: str) -> str:
        """What a file of it says, `memory.current`."""
        return self.guest.control.read(f"{_GROUP}/{name}")

    def _write(self, name: str, value: str) -> None:
        self.guest.control.write(f"{_GROUP}/{name}", value)
