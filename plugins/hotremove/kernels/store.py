# SPDX-License-Identifier: Apache-2.0
"""A kernel in the cache: unpacked files of one release, checked, indexed and described.

An entry is a directory `kernels/KEY` with vmlinuz-V, config-V (when known), lib/modules/V (when
the kernel has modules), headers/ (when the source carries them) and kernel.json.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from hotremove import shapes
from hotremove.architecture.known import by_uname
from hotremove.cache import Cache
from hotremove.errors import HostProblem, UsageProblem
from hotremove.kernels import config, depmod, files
from hotremove.kernels.distro.debversion import sort_key
from hotremove.kernels.formats import image
from hotremove.kernels.kernel import HeadersSource, Kernel

KIND = "kernels"
_RECORD = "kernel.json"


@dataclass(frozen=True)
class Provenance:
    """What a source knows of a kernel beyond its files.

    Attributes:
        source: the spec without a version, `debian:bookworm`.
        version: the package's version; None leaves it to the image.
        headers_suite: the Debian suite whose packages hold its headers, or built them.
        headers_packages: those packages.
        headers_directory: a build tree outside the cache.
        name: how the source calls it, where that is not the version.
    """

    source: str
    version: str | None = None
    headers_suite: str | None = None
    headers_packages: tuple[str, ...] = ()
    headers_directory: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class Record:
    """What kernel.json says."""

    release: str
    version: str
    arch: str
    source: str
    headers_suite: str | None = None
    headers_packages: tuple[str, ...] = ()
    headers_directory: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        by_uname(self.arch)


def get(cache: Cache, key: str, stage: Callable[[Path], Provenance], spec: str) -> Kernel:
    """The kernel of entry `key`, made when absent: `stage(directory)` puts the files there.

    Raises:
        UsageProblem: the files are not one bootable kernel with its modules.
        HostProblem: the cache cannot be written.
    """
    return load(cache.get(KIND, key, lambda root: seal(root, stage(root))), spec)


def seal(root: Path, provenance: Provenance) -> None:
    """Check the staged files, index the modules and write the record.

    Raises:
        UsageProblem: no image, several, or modules of another release or none where needed.
    """
    source = provenance.source
    facts = image.read_image(_only_image(root, source))
    _name_by_release(root, facts.release)
    _drop_partial_headers(root)
    _check_release(root, facts.release, source)
    _check_modules(root, facts.release, source)
    (root / f"vmlinuz-{facts.release}").chmod(0o644)
    if (root / "lib" / "modules" / facts.release).is_dir():
        depmod.index(root, facts.release)
    record = Record(
        release=facts.release,
        version=provenance.version or facts.version,
        arch=facts.arch.uname,
        source=source,
        headers_suite=provenance.headers_suite,
        headers_packages=provenance.headers_packages,
        headers_directory=provenance.headers_directory,
        name=provenance.name,
    )
    (root / _RECORD).write_text(json.dumps(asdict(record), indent=1) + "\n")


def load(root: Path, spec: str) -> Kernel:
    """The kernel of a sealed entry."""
    record = read_record(root)
    modules = root / "lib" / "modules" / record.release
    return Kernel(
        spec=spec,
        release=record.release,
        version=record.version,
        image=root / f"vmlinuz-{record.release}",
        modules=modules if modules.is_dir() else None,
        config=config.read(root / f"config-{record.release}"),
        arch=by_uname(record.arch),
        headers=_headers(root, record),
        name=record.name,
    )


def read_record(root: Path) -> Record:
    """What the entry's kernel.json says.

    Raises:
        HostProblem: it is damaged.
    """
    try:
        return shapes.read_json(root / _RECORD, Record)
    except ValueError as error:
        raise HostProblem(f"{error}: remove {root}, and it is made again") from error


def present(cache: Cache) -> Iterator[tuple[Path, Record]]:
    """Every kernel in the cache, in the order of its directory's name."""
    kinds = cache.root / KIND
    for root in sorted(kinds.iterdir()) if kinds.is_dir() else []:
        if not root.name.startswith(".") and (root / _RECORD).is_file():
            yield root, read_record(root)


def newest(cache: Cache, source: str, fits: Callable[[str, str], bool], spec: str) -> Kernel | None:
    """The newest kernel of a source in the cache whose version and release fit."""
    fitting = [
        (sort_key(record.version), root)
        for root, record in present(cache)
        if record.source == source and fits(record.version, record.release)
    ]
    return load(max(fitting)[1], spec) if fitting else None


def _headers(root: Path, record: Record) -> HeadersSource | None:
    tree = root / "headers" / record.release
    found = Path(record.headers_directory) if record.headers_directory else tree
    directory = found if record.headers_directory or tree.is_dir() else None
    if directory or record.headers_packages:
        return HeadersSource(record.headers_suite, record.headers_packages, directory)
    return None


def _only_image(root: Path, source: str) -> Path:
    images = tuple(sorted(root.glob("vmlinuz*")))
    if not images:
        raise UsageProblem(f"{source} holds no kernel image (vmlinuz, bzImage or Image)")
    if len(images) > 1:
        raise UsageProblem(f"{source} holds several kernels ({files.names(images)}): give one")
    return images[0]


def _name_by_release(root: Path, release: str) -> None:
    """Files whose name gives no release get the image's own."""
    for name in ("vmlinuz", "config"):
        if (root / name).is_file():
            (root / name).rename(root / f"{name}-{release}")


def _drop_partial_headers(root: Path) -> None:
    """Debian's own headers packages lean on others at absolute paths: useless away from there."""
    for tree in (root / "headers").glob("*"):
        if not (tree / "include" / "linux" / "module.h").is_file():
            shutil.rmtree(tree)


def _check_release(root: Path, release: str, source: str) -> None:
    """The image's own word is the authority: file names and directories must agree with it."""
    trees = list((root / "lib" / "modules").glob("*"))
    named = [*root.glob("config-*"), *root.glob("vmlinuz-*")]
    trees += (root / "headers").glob("*")
    found = {tree.name for tree in trees} | {path.name.partition("-")[2] for path in named}
    others = sorted(found - {release})
    if others:
        raise UsageProblem(
            f"{source} mixes kernels: the image is {release}, other files are of"
            f" {', '.join(others)}; give files of one release"
        )


def _check_modules(root: Path, release: str, source: str) -> None:
    options = config.read(root / f"config-{release}")
    tree = root / "lib" / "modules" / release
    if config.has_modules(options) and not any(tree.rglob("*.ko*")):
        raise UsageProblem(
            f"{source} has no modules for {release}, whose configuration builds some: add them"
            f" (the package linux-modules-{release} or lib/modules/{release})"
        )
