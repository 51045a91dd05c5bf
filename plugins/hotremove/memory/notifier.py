# SPDX-License-Identifier: Apache-2.0
"""A subscriber to memory notifications who objects (lib/memory-notifier-error-inject.c)."""

from __future__ import annotations

import errno

from hotremove.guest.capability import refusal, require
from hotremove.guest.machine import Guest
from hotremove.kernels.capabilities import find

_CAPABILITY = find("notifier failures")
_MODULE = "memory_notifier_error_inject"
_ERROR = "/sys/kernel/debug/notifier-error-inject/memory/actions/MEM_GOING_OFFLINE/error"


class NotifierVeto:
    """Answers MEM_GOING_OFFLINE, once told to, with an error; drivers that use the memory may."""

    def __init__(self, guest: Guest) -> None:
        """Load the module.

        Raises:
            CapabilityAbsent: the kernel was built without it.
            Blocked: it does not load, though the kernel may have been built with it.
        """
        require(guest, _CAPABILITY)
        self.guest = guest
        loaded = guest.control.run(f"modprobe {_MODULE} && test -e {_ERROR}")
        if not loaded.ok:
            raise refusal(guest, _CAPABILITY, f"no {_ERROR}: {loaded.complaint}")

    def object(self) -> None:
        """From now on let no memory go offline."""
        self._answer(-errno.EBUSY)

    def agree(self) -> None:
        """From now on let memory go."""
        self._answer(0)

    def _answer(self, value: int) -> None:
        self.guest.control.write(_ERROR, str(value))
