# SPDX-License-Identifier: Apache-2.0
"""The kernel that is packed in a bzImage, and whether QEMU can start from it."""

import bz2
import gzip
import lzma
import struct

import pytest
import zstandard

from hotremove.bootimage.vmlinux import has_pvh_entry, is_instrumented, unpack

SECTORS = 3


def note(kind, name=b"Xen\0", body=b"\1\2\3\4"):
    return struct.pack("<III", len(name), len(body), kind) + name + body


def elf(notes=b""):
    """An ELF header with one program header of type PT_NOTE."""
    header = bytearray(64)
    header[:4] = b"\x7fELF"
    struct.pack_into("<Q", header, 32, 64)
    struct.pack_into("<HH", header, 54, 56, 1)
    program = struct.pack("<IIQQQQQQ", 4, 0, 120, 0, 0, len(notes), len(notes), 4)
    return bytes(header) + program + notes


def bz_image(payload):
    """A boot header as Documentation/arch/x86/boot.rst has it, then the payload."""
    start = (SECTORS + 1) * 512
    image = bytearray(start + 64)
    image[0x1F1] = SECTORS
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<II", image, 0x248, 64, len(payload))
    return bytes(image) + payload + b"what comes after the payload"


def lzma_alone(data):
    return lzma.compress(data, lzma.FORMAT_ALONE)


@pytest.mark.parametrize(
    "pack", [gzip.compress, lzma.compress, bz2.compress, lzma_alone, zstandard.compress]
)
def test_a_packed_kernel_is_unpacked_whatever_follows_it(pack):
    kernel = elf(note(18))
    # The kernel's build appends the unpacked size.
    packed = pack(kernel) + struct.pack("<I", len(kernel))
    assert unpack(bz_image(packed)) == kernel


def test_an_unpacked_kernel_is_taken_as_it_is():
    assert unpack(elf()) == elf()


@pytest.mark.parametrize("payload", [b"unknown packing", gzip.compress(b"no ELF file", mtime=0)])
def test_what_cannot_be_unpacked_is_none(payload):
    assert unpack(bz_image(payload)) is None


def test_neither_a_bzimage_nor_elf():
    assert unpack(b"\0" * 2048) is None


@pytest.mark.parametrize(
    ("notes", "found"),
    [
        (note(18), True),
        (note(6) + note(18), True),
        (note(1, b"GNU\0", b"x" * 5) + b"\0" * 3 + note(18), True),
        (note(6), False),
        (note(18, b"GNU\0"), False),
        (b"", False),
        (note(18)[:9], False),
    ],
)
def test_the_entry_for_a_pvh_boot(notes, found):
    assert has_pvh_entry(elf(notes)) is found


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (b"\0__asan_load8\0__asan_load8_noabort\0", True),
        (b"\0__tsan_read8\0", True),
        (b"\0kasan_flag_enabled\0asan_load8\0", False),
    ],
)
def test_a_kernel_with_a_sanitizer(names, found):
    assert is_instrumented(elf(note(18)) + names) is found
