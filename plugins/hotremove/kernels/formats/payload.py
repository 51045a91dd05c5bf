# SPDX-License-Identifier: Apache-2.0
"""The kernel inside a bzImage, and the configuration it may carry (CONFIG_IKCONFIG).

The payload's place is in the header (Documentation/arch/x86/boot.rst, payload_offset and
payload_length); the configuration is gzip data after the mark IKCFG_ST (kernel/configs.c).
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path

from zstandard import ZstdError

from hotremove import processes
from hotremove.hosttools import find_tool
from hotremove.kernels.formats import zstd

_SETUP_SECTS_AT = 0x1F1
_PAYLOAD_OFFSET_AT = 0x248
_PAYLOAD_LENGTH_AT = 0x24C
_MARK = b"IKCFG_ST"
_GZIP = 31  # zlib's wbits for a gzip wrapper


def configuration(image: Path) -> str | None:
    """The text of the .config inside an image; None when it carries none or cannot be unpacked."""
    kernel = decompress(packed(image.read_bytes())) or b""
    at = kernel.find(_MARK)
    if at < 0:
        return None
    try:
        text = zlib.decompressobj(_GZIP).decompress(kernel[at + len(_MARK) :])
    except zlib.error:
        return None
    return text.decode(errors="replace")


def decompress(payload: bytes) -> bytes | None:
    """The payload decompressed, by its first bytes; None when that is not possible here."""
    for magic, unpack in _FORMATS:
        if payload.startswith(magic):
            try:
                return unpack(payload)
            except (zlib.error, lzma.LZMAError, ZstdError, OSError, ValueError):
                return None
    return None


def packed(image: bytes) -> bytes:
    """What a bzImage unpacks when it starts; the kernel's build appends the unpacked size."""
    start = ((image[_SETUP_SECTS_AT] or 4) + 1) * 512 + _u32(image, _PAYLOAD_OFFSET_AT)
    return image[start : start + _u32(image, _PAYLOAD_LENGTH_AT)]


def _u32(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 4], "little")


def _by_lz4(payload: bytes) -> bytes:
    """In the legacy format, which only the program reads; it complains of the appended size."""
    program = find_tool("lz4")
    if not program:
        raise ValueError("lz4 is not installed")
    return processes.feed([program, "-dc"], "unpacking a kernel", payload).stdout


_FORMATS: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b", lambda payload: zlib.decompressobj(_GZIP).decompress(payload)),
    (b"\xfd7zXZ", lambda payload: lzma.LZMADecompressor().decompress(payload)),
    (b"\x5d\x00\x00", lambda payload: lzma.LZMADecompressor().decompress(payload)),
    (b"BZh", lambda payload: bz2.BZ2Decompressor().decompress(payload)),
    (b"\x28\xb5\x2f\xfd", lambda payload: zstd.unpack_frame(payload)[0]),
    (b"\x02\x21\x4c\x18", _by_lz4),
)
