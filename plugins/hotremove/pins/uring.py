# SPDX-License-Identifier: Apache-2.0
"""Pins by io_uring's registered buffers."""

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


class Uring(PinPath):
    """The guest's io_uring."""

    capabilities = (find("io_uring pins"),)
    without = ("io_uring",)

    def pin(
        self,
        buffer: Buffer,
        batch: int | None = None,
        offset: int | None = None,
        size: int | None = None,
    ) -> Pin:
        """Register the buffer as fixed buffers of `batch` bytes, by default of up to 1 GiB.

        `offset` and `size`, bytes, choose a part of it.

        Raises:
            CapabilityAbsent: the kernel was built without CONFIG_IO_URING: only then is there no
                such system call.
            PinRefused: IORING_REGISTER_BUFFERS' errno.
        """
        keys: dict[str, Any] = {"batch": batch, "offset": offset, "bytes": size}
        try:
            return take_pin(buffer, "uring", "io_uring registered buffer", **keys)
        except PinRefused as refusal:
            if refusal.errno != errno.ENOSYS:
                raise
            lacking = "no io_uring pins: io_uring_setup() says ENOSYS, as without CONFIG_IO_URING"
            raise CapabilityAbsent(lacking) from refusal
