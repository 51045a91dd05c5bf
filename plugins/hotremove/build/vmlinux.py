# SPDX-License-Identifier: Apache-2.0
"""The kernel unpacked on the host, so that no guest has to.

A bzImage unpacks itself, which under TCG takes longer than the rest of the boot (6 s of 9 s for a
Debian 6.1, packed with xz). A kernel with CONFIG_PVH starts from the bare ELF file that is packed
in it; the same code then runs, at its link address instead of a random one.

Not so with a sanitizer of the kernel's (KASAN): the function that PVH enters calls into it before
its shadow memory is there, and the guest is reset without a word (6.1, arch/x86/platform/pvh/).
"""

from __future__ import annotations

import lzma
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

from hotremove.cache import Cache, digest
from hotremove.kernels.kernel import Kernel
from hotremove.progress import waiting

# Offsets in the boot protocol's header, Documentation/arch/x86/boot.rst.
_SETUP_SECTORS = 0x1F1
_PAYLOAD_OFFSET = 0x248
_PAYLOAD_LENGTH = 0x24C
# include/xen/interface/elfnote.h: the entry point of a PVH boot.
_XEN_ELFNOTE_PHYS32_ENTRY = 18
_PT_NOTE = 4
# What compilers call around each access to memory: KASAN, KCSAN, KMSAN. Modules use them too, so
# that a kernel has their names among its exported symbols.
_SANITIZERS = (b"\0__asan_load8", b"\0__tsan_read8", b"\0__msan_metadata_ptr_for_load_8")


def boot_file(kernel: Kernel, cache: Cache) -> Path:
    """The file to boot: the unpacked vmlinux where the kernel can start from it, else its image."""
    key = digest(Path(__file__), kernel.image)

    def build(target: Path) -> None:
        with waiting(f"unpacking the image of {kernel.release}"):
            vmlinux = unpack(kernel.image.read_bytes())
        if vmlinux and has_pvh_entry(vmlinux) and not is_instrumented(vmlinux):
            (target / "vmlinux").write_bytes(vmlinux)
        else:
            shutil.copy(kernel.image, target / "bzImage")

    return next(cache.get("vmlinux", key, build).iterdir())


def unpack(image: bytes) -> bytes | None:
    """The ELF file packed in a bzImage, or None when it is packed in a way not known here."""
    if image[0x202:0x206] != b"HdrS":
        return image if image[:4] == b"\x7fELF" else None
    (offset,) = struct.unpack_from("<I", image, _PAYLOAD_OFFSET)
    (length,) = struct.unpack_from("<I", image, _PAYLOAD_LENGTH)
    start = ((image[_SETUP_SECTORS] or 4) + 1) * 512 + offset
    payload = image[start : start + length]
    for magic, decompress in _DECOMPRESSORS.items():
        if payload.startswith(magic):
            vmlinux = decompress(payload)
            return vmlinux if vmlinux and vmlinux[:4] == b"\x7fELF" else None
    return None


def has_pvh_entry(vmlinux: bytes) -> bool:
    """Whether the ELF file carries the note that QEMU's -kernel looks for."""
    (offset,) = struct.unpack_from("<Q", vmlinux, 32)
    size, count = struct.unpack_from("<HH", vmlinux, 54)
    for number in range(count):
        header = offset + number * size
        if struct.unpack_from("<I", vmlinux, header)[0] == _PT_NOTE:
            start, _, _, length = struct.unpack_from("<QQQQ", vmlinux, header + 8)
            if _XEN_ELFNOTE_PHYS32_ENTRY in _xen_notes(vmlinux[start : start + length]):
                return True
    return False


def is_instrumented(vmlinux: bytes) -> bool:
    """Whether a sanitizer looks at each access to memory."""
    return any(name in vmlinux for name in _SANITIZERS)


def _xen_notes(notes: bytes) -> set[int]:
    """Types of the notes that Xen owns, in a segment of ELF notes."""
    found, at = set(), 0
    while at + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from("<III", notes, at)
        if notes[at + 12 : at + 12 + name_size] == b"Xen\0":
            found.add(kind)
        at += 12 + (name_size + 3) // 4 * 4 + (size + 3) // 4 * 4
    return found


def _with_tool(*command: str) -> Callable[[bytes], bytes | None]:
    """A decompressor that is a program; None when it is not installed or gives nothing.

    The kernel's build appends the unpacked size to the payload, which the tools complain of after
    they have written everything.
    """

    def decompress(payload: bytes) -> bytes | None:
        if not shutil.which(command[0]):
            return None
        return subprocess.run(command, input=payload, capture_output=True).stdout or None

    return decompress


_DECOMPRESSORS: dict[bytes, Callable[[bytes], bytes | None]] = {
    b"\xfd7zXZ\0": lambda payload: lzma.LZMADecompressor().decompress(payload),
    b"\x1f\x8b": lambda payload: zlib.decompressobj(wbits=31).decompress(payload),
    b"\x28\xb5\x2f\xfd": _with_tool("zstd", "-dc", "--quiet"),
    b"\x02\x21\x4c\x18": _with_tool("lz4", "-dc", "--quiet"),
    b"BZh": _with_tool("bzip2", "-dc", "--quiet"),
    b"\x5d\0\0": _with_tool("xz", "-dc", "--format=lzma", "--quiet"),
}
