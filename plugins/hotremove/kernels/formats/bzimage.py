# SPDX-License-Identifier: Apache-2.0
"""bzImage, the image of x86-64, which distributions call vmlinuz.

Offsets are those of the x86 boot protocol (Documentation/arch/x86/boot.rst).
"""

from __future__ import annotations

from hotremove.architecture.x86_64 import X86_64
from hotremove.errors import UsageProblem
from hotremove.kernels.formats.facts import ImageFacts, require_release

HEADER_BYTES = 0x260
_MAGIC_AT = 0x202
_MAGIC = b"HdrS"
_KERNEL_VERSION_AT = 0x20E
_XLOADFLAGS_AT = 0x236
_XLF_KERNEL_64 = 1
_SETUP_SECTS_AT = 0x1F1
_SYSSIZE_AT = 0x1F4
_PAYLOAD_OFFSET_AT = 0x248
_PAYLOAD_LENGTH_AT = 0x24C
_STRING_BYTES = 256


def begins(header: bytes) -> bool:
    """Whether a file with this beginning is a bzImage, intact or not."""
    return header[_MAGIC_AT : _MAGIC_AT + 4] == _MAGIC


def read(image: bytes, name: str) -> ImageFacts:
    """The facts of an image that begins as one.

    Raises:
        UsageProblem: it is cut short, damaged or of 32 bits; `name` is how the message calls it.
    """
    if not _u16(image, _XLOADFLAGS_AT) & _XLF_KERNEL_64:
        raise UsageProblem(f"{name} is a 32-bit x86 kernel; give one for x86_64")
    if len(image) < _expected_size(image):
        raise UsageProblem(f"{name} is cut short: {len(image)} bytes of {_expected_size(image)}")
    at = _u16(image, _KERNEL_VERSION_AT) + 0x200
    text = image[at : at + _STRING_BYTES].split(b"\0")[0].decode("ascii", "replace")
    release, _, build = text.partition(" ")
    return ImageFacts(require_release(release, name), build, X86_64)


def packed(image: bytes) -> bytes:
    """What a bzImage unpacks when it starts; the kernel's build appends the unpacked size."""
    start = ((image[_SETUP_SECTS_AT] or 4) + 1) * 512 + _u32(image, _PAYLOAD_OFFSET_AT)
    return image[start : start + _u32(image, _PAYLOAD_LENGTH_AT)]


def _expected_size(header: bytes) -> int:
    """Setup sectors (0 means 4) plus the boot sector, plus the payload in 16-byte paragraphs."""
    return ((header[_SETUP_SECTS_AT] or 4) + 1) * 512 + _u32(header, _SYSSIZE_AT) * 16


def _u16(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 2], "little")


def _u32(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 4], "little")
