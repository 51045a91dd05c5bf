# SPDX-License-Identifier: Apache-2.0
"""The kernel unpacked on the host, so that no guest has to.

A bzImage unpacks itself, which under TCG takes longer than the rest of the boot (6 s of 9 s for a
Debian 6.1, packed with xz). A kernel with CONFIG_PVH starts from the bare ELF file that is packed
in it; the same code then runs, at its link address instead of a random one. An arm64 kernel starts
from the plain Image.

Not so with a sanitizer of the kernel's (KASAN): the function that PVH enters calls into it before
its shadow memory is there, and the guest is reset without a word (6.1, arch/x86/platform/pvh/).
"""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

from hotremove.cache import Cache, digest
from hotremove.kernels.formats import arm64image, bzimage, payload
from hotremove.kernels.kernel import Kernel
from hotremove.progress import waiting

_ELF = b"\x7fELF"
# include/xen/interface/elfnote.h: the entry point of a PVH boot.
_XEN_ELFNOTE_PHYS32_ENTRY = 18
_PT_NOTE = 4
# What compilers call around each access to memory: KASAN, KCSAN, KMSAN. Modules use them too, so
# that a kernel has their names among its exported symbols.
_SANITIZERS = (b"\0__asan_load8", b"\0__tsan_read8", b"\0__msan_metadata_ptr_for_load_8")


def boot_file(kernel: Kernel, cache: Cache) -> Path:
    """The file to boot: the unpacked kernel where a guest can start from it, else its image."""
    key = digest(Path(__file__), Path(payload.__file__), kernel.image)

    def build(target: Path) -> None:
        with waiting(f"unpacking the image of {kernel.release}"):
            bare = _bare(kernel.image.read_bytes())
        if bare:
            (target / "vmlinux").write_bytes(bare)
        else:
            shutil.copy(kernel.image, target / kernel.arch.image)

    return next(cache.get("vmlinux", key, build).iterdir())


def _bare(image: bytes) -> bytes | None:
    """The unpacked kernel, if it is one that QEMU or the firmware can start."""
    if arm64image.begins(image):
        return arm64image.plain(image)
    vmlinux = unpack(image)
    can_start = vmlinux and has_pvh_entry(vmlinux) and not is_instrumented(vmlinux)
    return vmlinux if can_start else None


def unpack(image: bytes) -> bytes | None:
    """The ELF file packed in a bzImage, or None when it is packed in a way not known here."""
    if not bzimage.begins(image):
        return image if image[:4] == _ELF else None
    vmlinux = payload.decompress(bzimage.packed(image))
    return vmlinux if vmlinux and vmlinux[:4] == _ELF else None


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
