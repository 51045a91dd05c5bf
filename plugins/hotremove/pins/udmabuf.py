# SPDX-License-Identifier: Apache-2.0
"""Pins by udmabuf, which makes a DMA buffer of a memfd's pages."""

from __future__ import annotations

from hotremove.errors import CapabilityAbsent
from hotremove.guest.machine import Guest
from hotremove.pins.buffer import Buffer
from hotremove.pins.path import PinPath
from hotremove.pins.pin import Pin

DEVICE = "/dev/udmabuf"


class Udmabuf(PinPath):
    """The guest's /dev/udmabuf; it takes buffers of the kind `memfd`, at most 64 MiB each."""

    def __init__(self, guest: Guest) -> None:
        """Check that the kernel has it.

        Raises:
            CapabilityAbsent: the kernel lacks CONFIG_UDMABUF.
        """
        if not guest.control.run(f"test -c {DEVICE} || modprobe udmabuf && test -c {DEVICE}").ok:
            raise CapabilityAbsent(f"the kernel lacks CONFIG_UDMABUF: no {DEVICE}")

    def pin(self, buffer: Buffer, batch: int | None = None) -> Pin:
        """Make a DMA buffer of all of it, or one for each `batch` bytes.

        Raises:
            PinRefused: UDMABUF_CREATE's errno.
        """
        return buffer.pin("udmabuf", "udmabuf", batch=batch)
