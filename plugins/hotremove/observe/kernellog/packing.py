# SPDX-License-Identifier: Apache-2.0
"""Files that are a log only once they are unpacked, told by their first bytes."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from typing import BinaryIO, cast

import zstandard

from hotremove.errors import UsageProblem

BROKEN = (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error, zstandard.ZstdError)
"""What reading a damaged file raises, beside OSError."""

_DEEPEST = 3  # wrappings: a text of Windows in an archive of an archive
_HEAD = 16  # bytes that tell what a file is
_PIECE = 4096  # packed bytes, of which zstd may make thousands of times as many
_UTF16 = ("utf-16-le", "utf-16-be")

_Unpacked = Callable[[BinaryIO], BinaryIO]


def _opened_by(library: Callable[[BinaryIO], object]) -> _Unpacked:
    """What a library of the standard library's opens."""
    return lambda stream: cast(BinaryIO, library(stream))


def _recoded(encoding: str) -> _Unpacked:
    """Reads UTF-16 as UTF-8, so that a line feed is one byte."""
    return lambda stream: cast(
        BinaryIO, codecs.EncodedFile(stream, "utf-8", encoding, errors="replace")
    )


class _Zstd:
    """The text of zstd's frames; zstandard's own reader does not tell when one is cut short."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._begun = False

    def read(self, _: int = -1) -> bytes:
        """Some text; none at the end.

        Raises:
            EOFError: the last frame is cut short.
            zstandard.ZstdError: a frame is damaged.
        """
        text = b""
        while not text:
            data = self._frame.unused_data if self._frame.eof else b""
            data = data or self._stream.read(_PIECE)
            if not data and self._begun and not self._frame.eof:
                raise EOFError("cut short")
            if not data:
                break
            if self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._begun = True
            text = self._frame.decompress(data)
        return text


_PACKED: tuple[tuple[bytes, _Unpacked], ...] = (
    (b"\x1f\x8b", _opened_by(gzip.open)),
    (b"\xfd7zXZ\x00", _opened_by(lzma.open)),
    (b"BZh", _opened_by(bz2.open)),
    (b"\x28\xb5\x2f\xfd", lambda stream: cast(BinaryIO, _Zstd(stream))),
)
_NO_LOGS = (
    (b"LPKSHHRH", "a journal's own file: `journalctl --file FILE -k -o export` reads it"),
    (b"PK\x03\x04", "a zip archive: unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it"),
    (b"\x04\x22\x4d\x18", "packed by lz4: unpack it"),
    (b"\x89LZO", "packed by lzop: unpack it"),
    (b"KDUMP   ", "a kernel's dump: `makedumpfile --dump-dmesg` or crash gets its log"),
    (b"makedumpfile", "a kernel's dump: `makedumpfile --dump-dmesg` or crash gets its log"),
    (b"\x7fELF", "an ELF file, perhaps a kernel's dump: `vmcore-dmesg` or crash gets its log"),
    (b"%PDF-", "a PDF document: save its text"),
)


def unpacked(stream: BinaryIO) -> BinaryIO:
    """The text of a log that may be packed by gzip, xz, bzip2 or zstd, or be UTF-16.

    Raises:
        UsageProblem: it is something else that holds no text.
    """
    for _ in range(_DEEPEST):
        stream, head = _beginning(stream)
        unpack = _unpacking(head)
        if not unpack:
            break
        stream = unpack(stream)
    return stream


def _unpacking(head: bytes) -> _Unpacked | None:
    """What makes text of a file that begins like this; None where it is text.

    Raises:
        UsageProblem: nothing does.
    """
    for magic, said in _NO_LOGS:
        if head.startswith(magic):
            raise UsageProblem(said)
    for magic, unpack in _PACKED:
        if head.startswith(magic):
            return unpack
    return _utf16(head)


def _utf16(head: bytes) -> _Unpacked | None:
    """UTF-16, with a byte order mark or without: every other byte of ASCII is zero."""
    head = head.removeprefix(codecs.BOM_UTF16_LE).removeprefix(codecs.BOM_UTF16_BE)
    for place, encoding in enumerate(_UTF16):
        zeros, letters = head[1 - place :: 2], head[place::2]
        if len(head) >= _HEAD - 2 and not any(zeros) and all(letters):
            return _recoded(encoding)
    return None


def _beginning(stream: BinaryIO) -> tuple[BinaryIO, bytes]:
    """The stream, from its beginning, and its first bytes."""
    buffered = io.BufferedReader(cast(io.RawIOBase, _Readable(stream)))
    return buffered, buffered.peek(_HEAD)[:_HEAD]


class _Readable(io.RawIOBase):
    """Any stream with `read()`, for io.BufferedReader, which wants `readinto()`.

    A stream that recodes may give more bytes than it was asked for: they are kept.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._kept = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Some of the bytes to come."""
        data = self._kept or self._stream.read(len(buffer))
        size = min(len(data), len(buffer))
        buffer[:size] = data[:size]
        self._kept = data[size:]
        return size
