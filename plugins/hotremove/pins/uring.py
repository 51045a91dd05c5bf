# SPDX-License-Identifier: Apache-2.0
"""Pins by io_uring's registered buffers."""

from __future__ import annotations

from hotremove.errors import CapabilityAbsent
from hotremove.guest.machine import Guest
from hotremove.pins.buffer import Buffer
from hotremove.pins.path import PinPath
from hotremove.pins.pin import Pin


class Uring(PinPath):
    """The guest's io_uring."""

    def __init__(self, guest: Guest) -> None:
        """Check that the kernel has it.

        Raises:
            CapabilityAbsent: the kernel lacks CONFIG_IO_URING.
        """
        if not guest.control.run("grep -qw io_uring_setup /proc/kallsyms").ok and not (
            guest.control.run("grep -q __x64_sys_io_uring_setup /proc/kallsyms").ok
        ):
            raise CapabilityAbsent("the kernel lacks CONFIG_IO_URING: no io_uring_setup()")

    def pin(self, buffer: Buffer, batch: int | None = None) -> Pin:
        """Register the buffer as fixed buffers of `batch` bytes, by default of up to 1 GiB.

        Raises:
            PinRefused: IORING_REGISTER_BUFFERS' errno.
        """
        return buffer.pin("uring", "io_uring registered buffer", batch=batch)
