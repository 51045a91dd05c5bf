# SPDX-License-Identifier: Apache-2.0
"""A kernel that is one file: `image:PATH`, everything it needs built in."""

from __future__ import annotations

from pathlib import Path

from hotremove.cache import Cache
from hotremove.errors import UsageProblem
from hotremove.kernels import config
from hotremove.kernels.formats import ikconfig
from hotremove.kernels.formats.image import read_image
from hotremove.kernels.kernel import Kernel
from hotremove.kernels.source import Source


def resolve(text: str, cache: Cache) -> Kernel:
    """The kernel of `image:PATH`; `text` is what follows the colon, nothing is cached.

    Raises:
        UsageProblem: the file is missing or is no kernel image for this farm.
    """
    path = Path(text).expanduser().absolute()
    if not path.is_file():
        raise UsageProblem(f"image: there is no file {path}")
    facts = read_image(path)
    return Kernel(
        spec=f"image:{text}",
        release=facts.release,
        version=facts.version,
        image=path,
        modules=None,
        config=config.parse(ikconfig.configuration(path) or ""),
        arch=facts.arch,
    )


SOURCE = Source("image:PATH", resolve)
