# SPDX-License-Identifier: Apache-2.0
"""What every way to pin has in common."""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from typing import Any

from hotremove.pins.buffer import Buffer, PinRefused
from hotremove.pins.pin import Pin

PINNED = 0


class PinPath(ABC):
    """A way to pin a buffer."""

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


def told(error: int) -> str:
    """What `try_to_pin` returned, in words for a record: `pinned`, or the errno's name."""
    return errno.errorcode.get(error, str(error)) if error else "pinned"
