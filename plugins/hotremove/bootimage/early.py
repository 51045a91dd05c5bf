# SPDX-License-Identifier: Apache-2.0
"""What a kernel reads before it unpacks its initramfs: an archive ahead of it, uncompressed."""

from __future__ import annotations

import shutil
from pathlib import Path

from hotremove.bootimage.initramfs import BootImage, archive
from hotremove.cache import Cache, digest


def with_early_file(image: BootImage, path: str, content: bytes, cache: Cache) -> Path:
    """The image's initramfs with an archive ahead of it that holds one file.

    Raises:
        HostProblem: cpio is missing, or the cache cannot be written.
    """

    def build(target: Path) -> None:
        root = target / "root"
        (root / path).parent.mkdir(parents=True)
        (root / path).write_bytes(content)
        archive(root, target / "early")
        shutil.rmtree(root)
        with (target / "initramfs").open("wb") as whole:
            for part in (target / "early", image.initramfs):
                with part.open("rb") as stream:
                    shutil.copyfileobj(stream, whole)
        (target / "early").unlink()

    return cache.get("images", digest(image.key, path, content), build) / "initramfs"
