# SPDX-License-Identifier: Apache-2.0
"""Memory that others may not write to, or may not see."""

from __future__ import annotations

import errno

from hotremove.errors import HotremoveError, NotApplicable
from hotremove.guest.capability import require
from hotremove.guest.machine import Guest
from hotremove.kernels.capabilities import find
from hotremove.observe.pagemap import PAGE_BYTES
from hotremove.pins.buffer import Buffer
from hotremove.pins.holder import PinRefused


class WriteProtection:
    """userfaultfd's, whose messages nobody reads."""

    def __init__(self, guest: Guest) -> None:
        """Nothing is protected yet.

        Raises:
            CapabilityAbsent: the kernel was built without it.
        """
        require(guest, find("write-protected memory"))

    def protect(self, buffer: Buffer) -> None:
        """Protect each page of a buffer.

        Raises:
            NotApplicable: the kernel does not tell which pages are protected (before 5.14).
            HotremoveError: some are not.
        """
        buffer.write_protect()
        found, wanted = buffer.write_protected_pages(), buffer.size // PAGE_BYTES
        if not found:
            raise NotApplicable("pagemap shows no page as write-protected, as before fb8e37f35a2f")
        if found != wanted:
            raise HotremoveError(f"{found} of {wanted} pages of {buffer} are write-protected")


class SecretMemory:
    """memfd_secret(2): pages that the kernel itself has unmapped."""

    def __init__(self, guest: Guest) -> None:
        """None is there yet.

        Raises:
            CapabilityAbsent: the kernel was built without it.
        """
        require(guest, find("secret memory"))
        self.guest = guest

    def map(self, size: int) -> Buffer:
        """Map and write to `size` bytes of it.

        Raises:
            NotApplicable: the kernel gives none unless it is started with secretmem.enable=1, which
                was not the default before 6.5 (mm/secretmem.c).
            PinRefused: it gives none for another reason.
        """
        try:
            buffer = Buffer(self.guest, size, kind="secret")
        except PinRefused as refusal:
            if refusal.errno != errno.ENOSYS:
                raise
            raise NotApplicable("memfd_secret() says ENOSYS: secretmem.enable is off") from refusal
        # Locked by itself until "mm/secretmem: properly account locked pages", 6.12.113.
        buffer.locked = buffer.status()["VmLck"]
        return buffer
