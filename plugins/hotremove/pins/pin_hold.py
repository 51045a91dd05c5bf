# SPDX-License-Identifier: Apache-2.0
"""Pins by the module pin_hold, which calls the entry points of mm/gup.c as drivers do."""

from __future__ import annotations

import errno
from typing import Any

from hotremove.errors import CapabilityAbsent
from hotremove.kernels.capabilities import find
from hotremove.pins.buffer import Buffer
from hotremove.pins.holder import PinRefused
from hotremove.pins.path import PinPath
from hotremove.pins.pin import Pin
from hotremove.pins.take import take_pin


class PinHold(PinPath):
    """The device /dev/pin_hold of kmods/pin_hold."""

    capabilities = (find("modules of the farm"),)
    kmod = "pin_hold"

    def pin(
        self,
        buffer: Buffer,
        batch: int | None = None,
        entry: str = "fast",
        write: bool | None = None,
        pid: int | None = None,
        long_term: bool = True,
    ) -> Pin:
        """Pin through pin_user_pages_fast (or another `entry`), `batch` bytes a call.

        `write` overrides what the buffer was mapped for; without `long_term` the pages stay where
        they are, as for I/O that ends soon. With the entry `remote`, `pid` is the process whose
        memory is pinned instead of the buffer's, at the same addresses.

        Raises:
            PinRefused: the entry point's errno.
            CapabilityAbsent: the kernel has no such entry point for long-term pins.
        """
        keys: dict[str, Any] = {"batch": batch, "entry": entry, "pid": pid}
        keys["write"] = None if write is None else int(write)
        keys["longterm"] = None if long_term else 0
        try:
            return take_pin(buffer, "kmod", "pin_hold pin", long_term, **keys)
        except PinRefused as refusal:
            if refusal.errno == errno.EOPNOTSUPP:
                raise CapabilityAbsent(
                    f"the kernel takes no long-term pins by the entry `{entry}` of pin_hold"
                ) from refusal
            raise

    def pin_by_child(self, buffer: Buffer) -> Pin:
        """Have a child of the buffer's holder pin the holder's memory, which it has no part of.

        It goes through pin_user_pages_remote() with the memory of another process, and lasts until
        the child ends, with its parent at the latest.

        Raises:
            PinRefused: the entry point's errno.
        """
        buffer.advise("dontfork")
        buffer.fork()
        label = "pin_hold pin by a child"
        return take_pin(buffer, "kmod", label, by_child=True, entry="remote", pid=buffer.pid)
