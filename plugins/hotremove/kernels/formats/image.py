# SPDX-License-Identifier: Apache-2.0
"""What a kernel image says of itself: its release, its build and its machine.

Offsets are those of the x86 boot protocol (Documentation/arch/x86/boot.rst).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hotremove.errors import UsageProblem
from hotremove.kernels import architecture

_HEADER_BYTES = 0x260
_MAGIC_AT = 0x202
_MAGIC = b"HdrS"
_KERNEL_VERSION_AT = 0x20E
_XLOADFLAGS_AT = 0x236
_XLF_KERNEL_64 = 1
_SETUP_SECTS_AT = 0x1F1
_SYSSIZE_AT = 0x1F4
_STRING_BYTES = 256

_FOREIGN = (
    (0x38, b"ARM\x64", "arm64"),
    (0x38, b"\x05\x23\x00\x00", "riscv or loongarch"),
    (0x24, b"\x18\x28\x6f\x01", "arm"),
)


@dataclass(frozen=True)
class ImageFacts:
    """What the header tells: `release` as `uname -r` prints it, `build` the text after it."""

    release: str
    build: str
    arch: str

    @property
    def version(self) -> str:
        """The Debian package version in the build text, else the release."""
        found = re.search(r"\bDebian (\d\S+)", self.build)
        return found.group(1) if found else self.release


def read_image(path: Path) -> ImageFacts:
    """The facts in the header of a bzImage (which distributions call vmlinuz).

    Raises:
        UsageProblem: it cannot be read, is not a kernel, is cut short or is of another machine.
    """
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
            file.seek(_version_offset(header))
            text = file.read(_STRING_BYTES)
        size = path.stat().st_size
    except OSError as error:
        raise UsageProblem(f"cannot read the kernel image {path}: {error.strerror}") from error
    return parse_header(header, text, size, str(path))


def is_image(path: Path) -> bool:
    """True when the file begins as a bzImage does, intact or not."""
    with path.open("rb") as file:
        return file.read(_HEADER_BYTES)[_MAGIC_AT : _MAGIC_AT + 4] == _MAGIC


def parse_header(header: bytes, text: bytes, size: int, name: str) -> ImageFacts:
    """The facts in an image's first bytes, its version text and its size in bytes.

    Raises:
        UsageProblem: as `read_image`; `name` is how the message calls the image.
    """
    if header[_MAGIC_AT : _MAGIC_AT + 4] != _MAGIC:
        raise UsageProblem(f"{name} is {_what_else(header)}; give a bzImage (vmlinuz) for x86_64")
    if not _u16(header, _XLOADFLAGS_AT) & _XLF_KERNEL_64:
        raise UsageProblem(f"{name} is a 32-bit x86 kernel; give one for x86_64")
    if size < _expected_size(header):
        raise UsageProblem(f"{name} is cut short: {size} bytes of {_expected_size(header)}")
    words = text.split(b"\0")[0].decode("ascii", "replace")
    release, _, build = words.partition(" ")
    if not re.fullmatch(r"\d+\.\d+[\w.+~-]*", release):
        raise UsageProblem(f"{name} does not name its release: it is damaged, get a fresh copy")
    return ImageFacts(release, build, architecture.X86_64.uname)


def _version_offset(header: bytes) -> int:
    return _u16(header, _KERNEL_VERSION_AT) + 0x200


def _expected_size(header: bytes) -> int:
    """Setup sectors (0 means 4) plus the boot sector, plus the payload in 16-byte paragraphs."""
    sectors = (header[_SETUP_SECTS_AT] or 4) + 1
    paragraphs = int.from_bytes(header[_SYSSIZE_AT : _SYSSIZE_AT + 4], "little")
    return sectors * 512 + paragraphs * 16


def _u16(header: bytes, offset: int) -> int:
    return int.from_bytes(header[offset : offset + 2], "little")


def _what_else(header: bytes) -> str:
    """Names a file that is not a bzImage, for the message."""
    for offset, magic, machine in _FOREIGN:
        if header[offset : offset + len(magic)] == magic:
            return f"a kernel for {machine}"
    if header.startswith(b"\x7fELF"):
        return "an uncompressed ELF vmlinux"
    return "empty" if not header else "not a kernel image"
