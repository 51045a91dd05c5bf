# SPDX-License-Identifier: Apache-2.0
"""What every way to pin has in common."""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from hotremove.errors import HotremoveError
from hotremove.guest.capability import require
from hotremove.guest.machine import Guest
from hotremove.kernels.capabilities import Capability
from hotremove.pins.buffer import Buffer
from hotremove.pins.holder import PinRefused
from hotremove.pins.kmod import load_module
from hotremove.pins.pin import Pin

PINNED = 0
FindKmod = Callable[[str], Path]
"""The file of one of the farm's modules, built for the guest's kernel; raises as Kmods.find."""


def no_kmods(name: str) -> Path:
    """The `FindKmod` of who has none."""
    raise HotremoveError(f"nobody gave the module {name}")


class PinPath(ABC):
    """A way to pin a buffer. hotremove.pins.registry says how a class becomes known by a name.

    Attributes:
        capabilities: what it needs of a kernel, by the configuration; none: every kernel has it.
        kmod: the module of the farm (a folder of kmods/) that it goes through.
        without: words of `--hotremove-without` that leave it out, beside `modules` where it has a
            module; none: its own name.
        guest: where it pins.
    """

    capabilities: ClassVar[tuple[Capability, ...]] = ()
    kmod: ClassVar[str | None] = None
    without: ClassVar[tuple[str, ...]] = ()

    def __init__(self, guest: Guest, find_kmod: FindKmod = no_kmods) -> None:
        """Make sure that the kernel has what is declared, and load the module.

        Raises:
            CapabilityAbsent: the kernel was built without something.
            Blocked: a driver is missing among the kernel's files, or the module cannot be had.
        """
        self.guest = guest
        for capability in self.needs(guest):
            require(guest, capability)
        if self.kmod:
            load_module(guest, find_kmod(self.kmod))

    @classmethod
    def needs(cls, guest: Guest) -> tuple[Capability, ...]:
        """What it needs of this guest's kernel: `capabilities`, where devices change nothing."""
        del guest
        return cls.capabilities

    @abstractmethod
    def pin(self, buffer: Buffer, batch: int | None = None) -> Pin:
        """Pin all of it, `batch` bytes a call.

        Raises:
            PinRefused: the kernel's errno.
        """

    def try_to_pin(self, buffer: Buffer, **how: Any) -> int:
        """Pin where either is right: `PINNED` (0), or the errno of the refusal."""
        try:
            self.pin(buffer, **how)
        except PinRefused as refusal:
            return refusal.errno or errno.EIO
        return PINNED

    def expect_refused(self, buffer: Buffer, wanted: int) -> None:
        """Require that the kernel refuses to pin a buffer, with the errno `wanted`.

        Raises:
            AssertionError: it is pinned, or refused for another reason.
        """
        __tracebackhide__ = True
        answer = errno_name(self.try_to_pin(buffer))
        told = f"memory of the kind {buffer.kind} is {answer}"
        assert answer == errno_name(wanted), f"{told}: {buffer} (expected: {errno_name(wanted)})"


def errno_name(error: int) -> str:
    """What `try_to_pin` returned, in words for a record: `pinned`, or the errno's name."""
    return errno.errorcode.get(error, str(error)) if error else "pinned"
