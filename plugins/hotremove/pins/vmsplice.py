# SPDX-License-Identifier: Apache-2.0
"""References by vmsplice: held for as long as a pipe is not read, and not long-term pins."""

from __future__ import annotations

from typing import Any

from hotremove.pins.buffer import Buffer
from hotremove.pins.path import PinPath
from hotremove.pins.pin import Pin
from hotremove.pins.take import take_pin


class Vmsplice(PinPath):
    """Pipes that user pages are spliced into.

    The kernel takes plain references (FOLL_GET, lib/iov_iter.c) without FOLL_LONGTERM, so no
    version migrates the pages: what they hold up gets stuck everywhere, by design. There is nothing
    to set up: every kernel has it.
    """

    def pin(self, buffer: Buffer, batch: int | None = None, size: int | None = None) -> Pin:
        """Splice the first `size` bytes of the buffer, or all, into pipes that nobody reads.

        Raises:
            PinRefused: vmsplice's errno.
        """
        keys: dict[str, Any] = {"batch": batch, "bytes": size}
        return take_pin(buffer, "vmsplice", "vmsplice'd pipe buffer", False, **keys)
