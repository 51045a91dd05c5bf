# SPDX-License-Identifier: Apache-2.0
"""Kernels in a built source tree: `tree:PATH`, an O= directory included.

Modules are installed into the cache with the tree's own modules_install; the tree itself serves as
the headers that modules are built against.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from hotremove import processes
from hotremove.architecture.architecture import Architecture
from hotremove.architecture.known import build_words, make_words, of_config
from hotremove.cache import Cache, digest
from hotremove.errors import UsageProblem
from hotremove.hosttools import tool
from hotremove.kernels import config, store
from hotremove.kernels.formats.image import read_image
from hotremove.kernels.kernel import Kernel
from hotremove.kernels.source import Source
from hotremove.progress import waiting

# Seconds; a minute for a distribution's configuration.
_INSTALLING = 1800.0
_BUILD_FILES = (".config", "Module.symvers", "modules.order", "include/config/kernel.release")


def resolve(text: str, cache: Cache) -> Kernel:
    """The kernel built in `tree:PATH`; `text` is what follows the colon.

    Raises:
        UsageProblem: the folder is no kernel tree, or is not built.
        HostProblem: make or depmod is not installed, or the cache cannot be written.
    """
    tree = Path(text).expanduser().absolute()
    options, arch = _configured(tree)
    image = _image(tree, arch)
    release = read_image(image).release
    built = [tree / name for name in _BUILD_FILES if (tree / name).is_file()]

    def stage(root: Path) -> store.Provenance:
        shutil.copyfile(image, root / f"vmlinuz-{release}")
        shutil.copyfile(tree / ".config", root / f"config-{release}")
        if config.has_modules(options):
            _install_modules(tree, arch, root)
        return store.Provenance(source=f"tree:{text}", headers_directory=str(tree))

    key = digest("tree", str(tree), image, *built, *_modules(tree))
    return store.get(cache, key, stage, f"tree:{text}")


def _configured(tree: Path) -> tuple[Mapping[str, str], Architecture]:
    """What the tree is configured for."""
    if not tree.is_dir():
        raise UsageProblem(f"tree: there is no folder {tree}")
    if not (tree / "Makefile").is_file() or not (tree / ".config").is_file():
        raise UsageProblem(f"{tree} is not a configured kernel tree: it needs Makefile and .config")
    options = config.read(tree / ".config")
    return options, of_config(options)


def _image(tree: Path, arch: Architecture) -> Path:
    image = tree / arch.image_file
    if not image.is_file():
        words = " ".join(("make", "-C", str(tree), *build_words(arch)))
        raise UsageProblem(f"{tree} is not built: run {words}")
    return image


def _modules(tree: Path) -> list[Path]:
    """The module files that modules.order names: NAME.ko up to 6.1, NAME.o in later kernels."""
    order = tree / "modules.order"
    lines = order.read_text().split() if order.is_file() else []
    modules = [(tree / line.removeprefix("kernel/")).with_suffix(".ko") for line in lines]
    return [path for path in modules if path.is_file()]


def _install_modules(tree: Path, arch: Architecture, root: Path) -> None:
    """Run modules_install; the debug information, most of the bytes, is left out."""
    command = [tool("make", "make"), "-s", "-C", str(tree), "modules_install"]
    # depmod runs later, where it is found: /sbin is often not on a user's PATH.
    settings = [*make_words(arch), f"INSTALL_MOD_PATH={root}", "INSTALL_MOD_STRIP=1", "DEPMOD=true"]
    with waiting(f"installing the modules of {tree}"):
        what = f"installing the modules of {tree}"
        done = processes.run([*command, *settings], what, _INSTALLING)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise UsageProblem(f"modules_install fails in {tree}: {reason}")
    for release in (root / "lib" / "modules").glob("*"):
        for link in ("build", "source"):
            (release / link).unlink(missing_ok=True)


SOURCE = Source("tree:PATH", resolve)
