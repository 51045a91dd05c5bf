# SPDX-License-Identifier: Apache-2.0
"""Kernels in tar archives: `tar:PATH[,PATH...]`.

One archive with the image and the modules, as the kernel's own targz-pkg makes, or an image and an
archive of its modules, as build services publish them.
"""

from __future__ import annotations

import re
import shutil
import tarfile
from pathlib import Path

from hotremove.cache import Cache, digest
from hotremove.errors import UsageProblem
from hotremove.hosttools import tool
from hotremove.kernels import files, store
from hotremove.kernels.formats import archive, layout, stream
from hotremove.kernels.formats.image import is_image, read_image
from hotremove.kernels.kernel import Kernel
from hotremove.kernels.source import Source
from hotremove.progress import waiting

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_CHUNK_BYTES = 1 << 20
_INNER = re.compile(
    r"(?:.*?/)??((?:usr/)?lib/modules/.+|boot/[^/]+|(?:vmlinuz|bzImage|Image|config)[^/]*)"
)


def resolve(text: str, cache: Cache) -> Kernel:
    """The kernel in the archives of `tar:PATH[,PATH...]`; `text` is what follows the colon.

    Raises:
        UsageProblem: a file is missing or damaged, or they are not one kernel for this farm.
        HostProblem: zstd or depmod is not installed, or the cache cannot be written.
    """
    paths = files.listed(text, "tar")

    def stage(root: Path) -> store.Provenance:
        with waiting(f"unpacking {files.names(paths)}"):
            for path in paths:
                _take(path, root)
        return store.Provenance(source=f"tar:{text}")

    return store.get(cache, digest("tar", *paths), stage, f"tar:{text}")


def place(name: str) -> str | None:
    """As `layout.place`, for archives that keep all below a directory of their own."""
    found = _INNER.fullmatch(str(Path(name)))
    return layout.place(found.group(1)) if found else None


def _take(path: Path, root: Path) -> None:
    """Put an image into the entry as it is, and what a guest needs of an archive."""
    if is_image(path):
        shutil.copyfile(path, root / f"vmlinuz-{read_image(path).release}")
    elif _begins_with(path, _ZSTD_MAGIC):
        stream.unpack([tool("zstd", "zstd"), "-dc", str(path)], root, path.name, place)
    else:
        _unpack(path, root)


def _unpack(path: Path, root: Path) -> None:
    if not _begins_like_a_tar(path):
        raise UsageProblem(f"{path.name} is neither a kernel image nor a tar archive")
    with archive.damage_is_reported(path.name), tarfile.open(path) as members:
        archive.unpack(members, root, path.name, place)
        # A compressor's checksum is at the end, behind the padding that ends the archive.
        while members.fileobj and members.fileobj.read(_CHUNK_BYTES):
            pass


def _begins_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _begins_like_a_tar(path: Path) -> bool:
    compressions = (b"\x1f\x8b", b"\xfd7zXZ", b"BZh", b"\x5d\x00\x00")
    with path.open("rb") as file:
        head = file.read(512)
    return head.startswith(compressions) or head[257:262] == b"ustar"


SOURCE = Source("tar:PATH[,PATH...]", resolve)
