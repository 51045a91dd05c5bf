# SPDX-License-Identifier: Apache-2.0
"""Data packed by zstd: kernel images, modules."""

from __future__ import annotations

import zstandard


def unpack_frame(data: bytes) -> tuple[bytes, bytes]:
    """What the first frame holds, and what comes after the frame.

    Raises:
        zstandard.ZstdError: the frame is damaged or cut short.
    """
    frame = zstandard.ZstdDecompressor().decompressobj()
    plain = frame.decompress(data)
    if not frame.eof:
        raise zstandard.ZstdError("cut short")
    return plain, frame.unused_data


def unpack(data: bytes) -> bytes:
    """What all frames hold.

    Raises:
        zstandard.ZstdError: one is damaged or cut short, or something else follows.
    """
    plain, rest = unpack_frame(data)
    while rest:
        more, rest = unpack_frame(rest)
        plain += more
    return plain
