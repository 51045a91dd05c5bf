# SPDX-License-Identifier: Apache-2.0
"""Pins by the module pin_hold, which calls the kernel's own entry points."""

from __future__ import annotations

from pathlib import Path

from hotremove.errors import CapabilityAbsent
from hotremove.guest.machine import Guest
from hotremove.pins.buffer import Buffer
from hotremove.pins.pin import Pin


class PinHold:
    """The device /dev/pin_hold of kmods/pin_hold."""

    def __init__(self, guest: Guest, module: Path) -> None:
        """Load `module`, a file of the host.

        Raises:
            CapabilityAbsent: the kernel does not take it.
        """
        load_module(guest, module)
        self.guest = guest

    def pin(self, buffer: Buffer, batch: int | None = None, entry: str = "fast") -> Pin:
        """Pin through pin_user_pages_fast (or another `entry`), `batch` bytes a call.

        Raises:
            PinRefused: the entry point's errno.
        """
        return buffer.pin("kmod", "pin_hold pin", batch=batch, entry=entry)


def load_module(guest: Guest, module: Path) -> None:
    """Put a module, a file of the host, into the guest and load it.

    Raises:
        CapabilityAbsent: the kernel does not take it; the text is insmod's.
    """
    guest.control.write(f"/run/{module.name}", module.read_bytes())
    loaded = guest.control.run(f"insmod /run/{module.name}")
    if not loaded.ok:
        said = loaded.stderr.decode(errors="replace").strip()
        raise CapabilityAbsent(f"the kernel does not take the module {module.stem}: {said}")


def turn_off(guest: Guest, unfix: Path) -> None:
    """Turn off the migration of long-term pins in the guest (kmods/unfix).

    Raises:
        CapabilityAbsent: the kernel has nothing that could be turned off: it is not fixed.
    """
    load_module(guest, unfix)
