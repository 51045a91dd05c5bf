# SPDX-License-Identifier: Apache-2.0
"""The kernel this machine runs: `host`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from hotremove.cache import Cache
from hotremove.errors import UsageProblem
from hotremove.kernels.formats.image import read_image
from hotremove.kernels.kernel import Kernel
from hotremove.kernels.source import Source
from hotremove.kernels.sources import directory


def resolve(text: str, cache: Cache) -> Kernel:
    """The running kernel, from the files it was booted from; `text` is empty.

    Raises:
        UsageProblem: its image or its modules are not installed, or may not be read.
        HostProblem: depmod is not installed, or the cache cannot be written.
    """
    return kernel_of(os.uname().release, Path("/"), cache)


def kernel_of(release: str, root: Path, cache: Cache) -> Kernel:
    """The installed kernel `release` of the file system at `root`.

    Raises:
        UsageProblem: as `resolve`.
    """
    image = _first(
        root, release, Path.is_file, "boot/vmlinuz-{}", "lib/modules/{}/vmlinuz", "boot/bzImage-{}"
    )
    if image is None:
        raise UsageProblem(
            f"host: the running kernel {release} has no image at /boot/vmlinuz-{release} or"
            f" /lib/modules/{release}/vmlinuz: boot an installed kernel, or use dir:PATH"
        )
    if not os.access(image, os.R_OK):
        raise UsageProblem(f"host: {image} is not readable: chmod a+r {image}, or use dir:PATH")
    facts = read_image(image)
    if facts.release != release:
        raise UsageProblem(f"host: {image} is {facts.release}, but {release} is running: reboot")
    modules = _first(root, release, Path.is_dir, "lib/modules/{}", "usr/lib/modules/{}")
    options = _first(root, release, Path.is_file, "boot/config-{}", "lib/modules/{}/config")
    return directory.kernel(directory.Parts(image, facts, modules, options), "host", cache)


def _first(root: Path, release: str, fits: Callable[[Path], bool], *places: str) -> Path | None:
    paths = (root / place.format(release) for place in places)
    return next((path for path in paths if fits(path)), None)


SOURCE = Source("host", resolve)
