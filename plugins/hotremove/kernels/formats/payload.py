# SPDX-License-Identifier: Apache-2.0
"""Packed data inside a kernel image, in the compressions that kernels are packed with."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable

from zstandard import ZstdError

from hotremove import processes
from hotremove.hosttools import find_tool
from hotremove.kernels.formats import zstd

_GZIP = 31  # zlib's wbits for a gzip wrapper


def decompress(payload: bytes) -> bytes | None:
    """The payload decompressed, by its first bytes; None when that is not possible here."""
    for magic, unpack in _FORMATS:
        if payload.startswith(magic):
            try:
                return unpack(payload)
            except (zlib.error, lzma.LZMAError, ZstdError, OSError, ValueError):
                return None
    return None


def begin(payload: bytes) -> bytes:
    """What the beginning of gzip data begins with; nothing where it is no such data."""
    try:
        return zlib.decompressobj(_GZIP).decompress(payload)
    except zlib.error:
        return b""


def gunzip(payload: bytes) -> bytes:
    """What gzip data holds, whatever follows it.

    Raises:
        zlib.error: it is damaged.
    """
    return zlib.decompressobj(_GZIP).decompress(payload)


def _whole(payload: bytes) -> bytes:
    """The same, of data that must not be cut short."""
    stream = zlib.decompressobj(_GZIP)
    plain = stream.decompress(payload)
    if not stream.eof:
        raise ValueError("cut short")
    return plain


def _by_lz4(payload: bytes) -> bytes:
    """In the legacy format, which only the program reads; it complains of the appended size."""
    program = find_tool("lz4")
    if not program:
        raise ValueError("lz4 is not installed")
    return processes.feed([program, "-dc"], "unpacking a kernel", payload).stdout


_FORMATS: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b", _whole),
    (b"\xfd7zXZ", lambda payload: lzma.LZMADecompressor().decompress(payload)),
    (b"\x5d\x00\x00", lambda payload: lzma.LZMADecompressor().decompress(payload)),
    (b"BZh", lambda payload: bz2.BZ2Decompressor().decompress(payload)),
    (b"\x28\xb5\x2f\xfd", lambda payload: zstd.unpack_frame(payload)[0]),
    (b"\x02\x21\x4c\x18", _by_lz4),
)
