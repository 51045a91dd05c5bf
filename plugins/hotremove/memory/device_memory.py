# SPDX-License-Identifier: Apache-2.0
"""Memory that a device takes for itself, by the kernel's device without hardware, test_hmm."""

from __future__ import annotations

from hotremove.errors import HotremoveError
from hotremove.guest.capability import refusal, require
from hotremove.guest.machine import Guest
from hotremove.kernels.capabilities import find
from hotremove.observe.pagemap import PAGE_BYTES
from hotremove.pins.buffer import Buffer

_CAPABILITY = find("memory of devices")


class DeviceMemory:
    """The device /dev/hmm_dmirror0."""

    def __init__(self, guest: Guest) -> None:
        """Load its driver.

        Raises:
            CapabilityAbsent: the kernel was built without CONFIG_TEST_HMM.
            Blocked: there is no device, though it may have been built with it.
        """
        require(guest, _CAPABILITY)
        loaded = guest.control.run("modprobe test_hmm && test -c /dev/hmm_dmirror0")
        if not loaded.ok:
            raise refusal(guest, _CAPABILITY, f"no /dev/hmm_dmirror0: {loaded.complaint}")

    def take(self, buffer: Buffer, how: str) -> None:
        """Have the device take a buffer: its pages move to it (`private`), or stay (`exclusive`).

        In either case the processor has none of them until it touches them.

        Raises:
            PinRefused: the driver's errno.
            HotremoveError: the processor still has some.
        """
        buffer.take_by_device(how)
        taken, wanted = buffer.swapped_pages(), buffer.size // PAGE_BYTES
        if taken != wanted:
            raise HotremoveError(f"the device has taken {taken} of {wanted} pages of {buffer}")
