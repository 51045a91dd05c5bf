# SPDX-License-Identifier: Apache-2.0
"""The configuration that an image may carry (CONFIG_IKCONFIG): gzip data after a mark.

The mark is IKCFG_ST (kernel/configs.c).
"""

from __future__ import annotations

import zlib
from pathlib import Path

from hotremove.kernels.formats import arm64image, bzimage, payload

_MARK = b"IKCFG_ST"


def configuration(image: Path) -> str | None:
    """The text of the .config inside an image; None when it carries none or cannot be unpacked."""
    kernel = unpacked(image.read_bytes()) or b""
    at = kernel.find(_MARK)
    if at < 0:
        return None
    try:
        return payload.gunzip(kernel[at + len(_MARK) :]).decode(errors="replace")
    except zlib.error:
        return None


def unpacked(image: bytes) -> bytes | None:
    """The kernel that an image holds; None when it is packed in a way not known here."""
    if bzimage.begins(image):
        return payload.decompress(bzimage.packed(image))
    return arm64image.plain(image)
