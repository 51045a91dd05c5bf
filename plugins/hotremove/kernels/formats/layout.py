# SPDX-License-Identifier: Apache-2.0
"""Where the files of a kernel lie in packages and archives, and where in a cache entry.

Packages put the image at boot/vmlinuz-V or lib/modules/V/vmlinuz, the configuration beside it, and
modules under lib/modules/V or usr/lib/modules/V. Headers packages that stand alone put a
build tree at usr/src/linux-headers-V or usr/src/kernels/V. An entry holds vmlinuz-V, config-V,
lib/modules/V and headers/V, whatever it came from; a file that does not name its V has none.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

IMAGE_NAMES = ("vmlinuz", "bzImage", "Image", "Image.gz")

_MODULE_TREE = re.compile(r"(?:usr/)?lib/modules/([^/]+)/(.+)")
_BOOT_FILE = re.compile(r"(?:boot/)?(vmlinuz|bzImage|Image(?:\.gz)?|config)(-[^/]+)?")
_HEADERS = re.compile(r"usr/src/(?:linux-headers-|kernels/)([^/]+)/(.+)")
# What a guest has no use for, and indexes, which are made anew by this machine's kmod.
_LEFT_OUT = ("build", "source", "vdso", "System.map", "modules.dep", "modules.dep.bin")


def is_unsafe(name: str) -> bool:
    """True when an archive's member name points out of the directory it is unpacked to."""
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts


def place(name: str) -> str | None:
    """Where an entry keeps an archive's member, or None when a guest does not need it.

    Example:
        >>> place("./usr/lib/modules/7.2.12/vmlinuz")
        'vmlinuz-7.2.12'
    """
    path = str(PurePosixPath(name))
    if found := _MODULE_TREE.fullmatch(path):
        return _place_in_tree(*found.groups())
    if found := _BOOT_FILE.fullmatch(path):
        kind, release = found.groups(default="")
        return f"config{release}" if kind == "config" else f"vmlinuz{release}"
    if found := _HEADERS.fullmatch(path):
        return "headers/{}/{}".format(*found.groups())
    return None


def _place_in_tree(release: str, inner: str) -> str | None:
    """Distributions also keep the image and the configuration inside the module tree."""
    if inner in IMAGE_NAMES:
        return f"vmlinuz-{release}"
    if inner == "config":
        return f"config-{release}"
    if inner.split("/")[0] in _LEFT_OUT:
        return None
    return f"lib/modules/{release}/{inner}"
