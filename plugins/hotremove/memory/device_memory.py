# SPDX-License-Identifier: Apache-2.0
"""Memory that a device takes for itself, by the kernel's device without hardware, test_hmm."""

from __future__ import annotations

from hotremove.errors import HotremoveError, NotApplicable
from hotremove.guest.capability import refusal, require
from hotremove.guest.machine import Guest
from hotremove.guest.memory_blocks import read_counters
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
        self.guest = guest
        self._unmapped = 0
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
        before = self._mapped(buffer)
        buffer.take_by_device(how)
        self._unmapped = before - self._mapped(buffer)
        taken, wanted = buffer.swapped_pages(), buffer.size // PAGE_BYTES
        if taken != wanted:
            raise HotremoveError(f"the device has taken {taken} of {wanted} pages of {buffer}")

    def require_mapped(self, buffer: Buffer) -> None:
        """Make sure that what the device has taken for it alone still counts as mapped.

        Migration unmaps what is mapped, and waits for who else has a reference; up to 6.14 an entry
        for a device was a reference alone (mm/rmap.c, page_make_device_exclusive_one()).

        Raises:
            NotApplicable: it does not.
        """
        if self._unmapped >= buffer.size // PAGE_BYTES:
            told = f"{self._unmapped} pages that a device has for it alone count as mapped no more"
            raise NotApplicable(f"{told}, so that this kernel cannot migrate them")

    def _mapped(self, buffer: Buffer) -> int:
        """Anonymous pages of its node that are mapped."""
        return read_counters(self.guest.control, buffer.node or 0)["nr_anon_pages"]
