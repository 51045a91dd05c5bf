# SPDX-License-Identifier: Apache-2.0
"""Kernels in a folder: `dir:PATH` with a vmlinuz, bzImage or Image and lib/modules/V.

The folder is only read. Modules without indexes are copied to the cache and indexed there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hotremove.cache import Cache, digest
from hotremove.errors import UsageProblem
from hotremove.kernels import config, store
from hotremove.kernels.formats import ikconfig
from hotremove.kernels.formats.facts import ImageFacts
from hotremove.kernels.formats.image import read_image
from hotremove.kernels.kernel import HeadersSource, Kernel
from hotremove.kernels.source import Source
from hotremove.progress import waiting

_IMAGES = (
    "vmlinuz*",
    "bzImage*",
    "Image*",
    "boot/vmlinuz*",
    "boot/bzImage*",
    "boot/Image*",
    "lib/modules/*/vmlinuz",
    "usr/lib/modules/*/vmlinuz",
)
_MODULE_TREES = ("lib/modules", "usr/lib/modules")
_NOT_MODULES = ("build", "source")


@dataclass(frozen=True)
class Parts:
    """The files of one kernel where they lie; `modules` and `config` are None when absent."""

    image: Path
    facts: ImageFacts
    modules: Path | None
    config: Path | None


def resolve(text: str, cache: Cache) -> Kernel:
    """The kernel of `dir:PATH`; `text` is what follows the colon.

    Raises:
        UsageProblem: the folder holds no kernel, several, or modules of another release.
        HostProblem: depmod is not installed, or the cache cannot be written.
    """
    root = Path(text).expanduser().absolute()
    if not root.is_dir():
        raise UsageProblem(f"dir:{text}: there is no folder {root}")
    return kernel(find_parts(root), f"dir:{text}", cache)


def find_parts(root: Path) -> Parts:
    """The image, modules and configuration below `root`.

    Raises:
        UsageProblem: there is no image, or several, or only modules of another release.
    """
    image, facts = _one_image(root)
    return Parts(image, facts, _modules(root, facts.release), _config(root, image, facts.release))


def kernel(parts: Parts, spec: str, cache: Cache) -> Kernel:
    """The parts as a kernel; what the cache must add (indexes) is added there.

    Raises:
        UsageProblem: the configuration builds modules and there are none.
        HostProblem: depmod is not installed, or the cache cannot be written.
    """
    modules = parts.modules
    if modules is not None and not (modules / "modules.dep").is_file():
        return _copied(parts, modules, spec, cache)
    options = config.read(parts.config) if parts.config else config.parse(_carried(parts.image))
    release = parts.facts.release
    if modules is None and config.has_modules(options):
        raise UsageProblem(
            f"{spec} has no modules for {release}, whose configuration builds some:"
            f" add lib/modules/{release}"
        )
    return Kernel(
        spec=spec,
        release=release,
        version=parts.facts.version,
        image=parts.image,
        modules=modules,
        config=options,
        arch=parts.facts.arch,
        headers=_headers(modules),
    )


def copy_modules(modules: Path, target: Path) -> None:
    """Copy the module files and their lists; links to build trees are left out."""
    for path in _module_files(modules):
        copy = target / path.relative_to(modules)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def _copied(parts: Parts, modules: Path, spec: str, cache: Cache) -> Kernel:
    """The kernel as a cache entry, keyed by the contents of all its files."""
    release = parts.facts.release

    def stage(root: Path) -> store.Provenance:
        with waiting(f"copying the modules of {release}"):
            copy_modules(modules, root / "lib" / "modules" / release)
        shutil.copyfile(parts.image, root / f"vmlinuz-{release}")
        if parts.config:
            shutil.copyfile(parts.config, root / f"config-{release}")
        return store.Provenance(source=spec)

    key = digest("dir", parts.image, *([parts.config] if parts.config else []))
    files = list(_module_files(modules))
    names = (str(path.relative_to(modules)) for path in files)
    return store.get(cache, digest(key, *names, *files), stage, spec)


def _one_image(root: Path) -> tuple[Path, ImageFacts]:
    found = _distinct(path for pattern in _IMAGES for path in sorted(root.glob(pattern)))
    images = [(path, read_image(path)) for path in found]
    releases = sorted({facts.release for _, facts in images})
    if not releases:
        raise UsageProblem(f"{root} holds no vmlinuz, bzImage or Image, nor does its boot/")
    if len(releases) > 1:
        raise UsageProblem(f"{root} holds several kernels ({', '.join(releases)}): leave one")
    return images[0]


def _distinct(paths: Iterable[Path]) -> list[Path]:
    """Files, each once: `vmlinuz` is often a link to `vmlinuz-V`."""
    return list({path.resolve(): path for path in paths if path.is_file()}.values())


def _modules(root: Path, release: str) -> Path | None:
    trees = [root / place / release for place in _MODULE_TREES]
    if present := next((tree for tree in trees if tree.is_dir()), None):
        return present
    others = sorted({tree.name for place in _MODULE_TREES for tree in (root / place).glob("*")})
    if others:
        raise UsageProblem(
            f"{root} has a kernel {release} and modules of {', '.join(others)}:"
            f" add lib/modules/{release}"
        )
    return None


def _config(root: Path, image: Path, release: str) -> Path | None:
    places = (
        image.parent / f"config-{release}",
        *(root / name for name in (f"config-{release}", f"boot/config-{release}", "config")),
        root / ".config",
        *(root / place / release / "config" for place in _MODULE_TREES),
    )
    return next((path for path in places if path.is_file()), None)


def _carried(image: Path) -> str:
    return ikconfig.configuration(image) or ""


def _headers(modules: Path | None) -> HeadersSource | None:
    build = modules / "build" if modules else None
    return HeadersSource(directory=build.resolve()) if build and build.is_dir() else None


def _module_files(modules: Path) -> Iterator[Path]:
    """Regular files below the tree in a fixed order."""
    for folder, names, files in os.walk(modules):
        names[:] = sorted(name for name in names if name not in _NOT_MODULES)
        yield from (Path(folder, file) for file in sorted(files) if Path(folder, file).is_file())


SOURCE = Source("dir:PATH", resolve)
