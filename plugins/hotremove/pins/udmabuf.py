# SPDX-License-Identifier: Apache-2.0
"""Pins by udmabuf, which makes a DMA buffer of a memfd's pages."""

from __future__ import annotations

from hotremove.guest.capability import refusal
from hotremove.guest.machine import Guest
from hotremove.kernels.capabilities import find
from hotremove.pins.buffer import Buffer
from hotremove.pins.path import FindKmod, PinPath, no_kmods
from hotremove.pins.pin import Pin
from hotremove.pins.take import take_pin

_CAPABILITY = find("udmabuf pins")
DEVICE = "/dev/udmabuf"


class Udmabuf(PinPath):
    """The guest's /dev/udmabuf; it takes buffers of the kind `memfd`, at most 64 MiB each."""

    capabilities = (_CAPABILITY,)

    def __init__(self, guest: Guest, find_kmod: FindKmod = no_kmods) -> None:
        """Check that the kernel has it.

        Raises:
            CapabilityAbsent: it was built without CONFIG_UDMABUF.
            Blocked: there is no device, though it may have been built with it.
        """
        super().__init__(guest, find_kmod)
        if not guest.control.run(f"test -c {DEVICE} || modprobe udmabuf && test -c {DEVICE}").ok:
            raise refusal(guest, _CAPABILITY, f"no {DEVICE}")

    def pin(self, buffer: Buffer, batch: int | None = None) -> Pin:
        """Make a DMA buffer of all of it, or one for each `batch` bytes.

        Raises:
            PinRefused: UDMABUF_CREATE's errno.
        """
        return take_pin(buffer, "udmabuf", "udmabuf", batch=batch)
