# SPDX-License-Identifier: Apache-2.0
"""Image, the kernel of arm64: plain, packed as a whole, or as a program that unpacks itself.

Its header is described in Documentation/arch/arm64/booting.rst; it is that of a PE program as well,
which is what UEFI starts. The packed forms are Image.gz and, from 6.1, vmlinuz.efi
(drivers/firmware/efi/libstub/zboot-header.S).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from hotremove.architecture.arm64 import ARM64
from hotremove.errors import UsageProblem
from hotremove.kernels.formats import payload
from hotremove.kernels.formats.facts import ImageFacts, require_release

_MAGIC_AT, _MAGIC = 0x38, b"ARM\x64"
_PROGRAM = b"MZ"
_ZBOOT_AT, _ZBOOT = 4, b"zimg"
_ZBOOT_PLACE = struct.Struct("<II")  # of the payload, at 8: where it begins, and its size
_FLAGS_AT, _BIG_ENDIAN, _PAGES = 24, 1, {2: 16, 3: 64}
_BANNER = re.compile(rb"Linux version (\d\S*) \([^\n\0]*\) (#\d[^\n\0]*)")
_PE_AT, _SECTION = 0x3C, struct.Struct("<16xII16x")  # of a section: its size, and where it begins


def begins(header: bytes) -> bool:
    """Whether a file with this beginning is an arm64 kernel in any of its forms, intact or not."""
    return _is_plain(header) or _is_zboot(header) or _is_plain(payload.begin(header))


def read(image: bytes, name: str) -> ImageFacts:
    """The facts of an image that begins as one.

    Raises:
        UsageProblem: it is cut short or damaged, UEFI cannot start it, or it is for guests that
            the farm does not make; `name` is how the message calls it.
    """
    kernel = plain(image)
    if kernel is None:
        raise UsageProblem(f"{name} cannot be unpacked: it is damaged or cut short")
    _require_fit(kernel, name)
    found = _BANNER.search(kernel)
    release, build = (
        (part.decode("ascii", "replace") for part in found.groups()) if found else ("", "")
    )
    return ImageFacts(require_release(release, name), build, ARM64)


def plain(image: bytes) -> bytes | None:
    """The Image itself, which UEFI starts as it is; None where it cannot be unpacked."""
    if _is_plain(image):
        return image
    if _is_zboot(image):
        start, size = _ZBOOT_PLACE.unpack_from(image, 8)
        image = image[start : start + size]
    kernel = payload.decompress(image)
    return kernel if kernel and _is_plain(kernel) else None


def _require_fit(kernel: bytes, name: str) -> None:
    flags = int.from_bytes(kernel[_FLAGS_AT : _FLAGS_AT + 8], "little")
    if flags & _BIG_ENDIAN:
        raise UsageProblem(f"{name} is big-endian, and the guests' programs are not")
    if kib := _PAGES.get(flags >> 1 & 3):
        told = "the farm reckons in pages of 4 KiB: give a kernel with CONFIG_ARM64_4K_PAGES"
        raise UsageProblem(f"{name} has pages of {kib} KiB; {told}")
    if not kernel.startswith(_PROGRAM):
        raise UsageProblem(f"{name} is not what UEFI can start: give a kernel with CONFIG_EFI")
    if len(kernel) < (whole := max(_ends(kernel), default=0)):
        raise UsageProblem(f"{name} is cut short: {len(kernel)} bytes of {whole}")


def _ends(kernel: bytes) -> Iterator[int]:
    """Where the sections of the PE program end in the file."""
    at = int.from_bytes(kernel[_PE_AT : _PE_AT + 4], "little")
    count, optional = (int.from_bytes(kernel[at + n : at + n + 2], "little") for n in (6, 20))
    for number in range(count):
        size, start = _SECTION.unpack_from(kernel, at + 24 + optional + number * _SECTION.size)
        yield start + size


def _is_plain(image: bytes) -> bool:
    return image[_MAGIC_AT : _MAGIC_AT + 4] == _MAGIC


def _is_zboot(image: bytes) -> bool:
    return image.startswith(_PROGRAM) and image[_ZBOOT_AT : _ZBOOT_AT + 4] == _ZBOOT
