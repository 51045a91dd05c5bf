# SPDX-License-Identifier: Apache-2.0
"""Debian's headers of a kernel for another processor, with a compiler that runs on this one.

Such headers ask for a compiler that only runs there; so they are unpacked instead of installed, and
shown to a build root of their suite that has the same compiler as a cross compiler.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hotremove.architecture.architecture import Architecture
from hotremove.cache import Cache, digest
from hotremove.errors import Blocked
from hotremove.kernels.distro.apt import PrivateApt, Stanza
from hotremove.kernels.distro.archive import common_headers
from hotremove.kernels.distro.suites import with_lists
from hotremove.kernels.kernel import HeadersSource, Kernel
from hotremove.kernels.sources import packages
from hotremove.progress import waiting

_KIND = "headers"
_SOURCES = "usr/src"
_FILE = re.compile(r"(?:\./)?(usr/src/.+)")
_PROGRAMS = re.compile(r"\b(linux-kbuild-[\w.+~-]+)")
_COMPILER = re.compile(r"\bgcc-(\d+)\b")
# Folders of the headers that are links to programs of the build.
_LINKED = ("scripts", "tools")


@dataclass(frozen=True)
class ForeignHeaders:
    """Unpacked headers.

    Attributes:
        root: where they lie, as in a file system.
        build: the kernel's build tree, from the root.
        needs: packages of this machine's architecture that building with them takes.
    """

    root: Path
    build: Path
    needs: tuple[str, ...]

    @property
    def folders(self) -> Mapping[str, Path]:
        """The folders that a build root has to see, by where it shall see them."""
        return {f"/{_SOURCES}/{path.name}": path for path in (self.root / _SOURCES).iterdir()}


def find_foreign_headers(kernel: Kernel, headers: HeadersSource, cache: Cache) -> ForeignHeaders:
    """The headers of a Debian kernel, fetched into the cache when they are not there.

    Raises:
        Blocked: the suite does not have them, or they name no compiler.
        HostProblem: they cannot be fetched.
    """
    suite, (package, *_) = headers.suite or "", headers.packages
    with cache.lock("apt", f"{suite}@{kernel.arch.debian}"):
        take = partial(_take, package=package, version=kernel.version, cache=cache)
        return with_lists(suite, cache, take, kernel.arch)


def _take(apt: PrivateApt, package: str, version: str, cache: Cache) -> ForeignHeaders:
    own = _find(apt, package, version)
    needed, programs = needs(own, apt.arch)
    common = common_headers(own)
    wanted = (own, _find(apt, *common)) if common else (own,)
    key = digest(*(stanza["SHA256"] for stanza in wanted), _FILE.pattern, *_LINKED)
    root = cache.get(_KIND, key, partial(_fetch, apt, wanted, programs))
    return ForeignHeaders(root, Path("/", _SOURCES, package), needed)


def needs(headers: Stanza, arch: Architecture) -> tuple[tuple[str, ...], str]:
    """Packages that building with headers takes, and which of them has the build's programs.

    Raises:
        Blocked: the headers' package does not say.

    Example:
        >>> stanza = {"Package": "h", "Depends": "linux-kbuild-6.1 (>= 6.1.1), gcc-12"}
        >>> needs(stanza, ARM64)
        (('linux-kbuild-6.1', 'gcc-12-aarch64-linux-gnu'), 'linux-kbuild-6.1')
    """
    told = headers.get("Depends", "")
    programs, compiler = _PROGRAMS.search(told), _COMPILER.search(told)
    if not programs or not compiler:
        raise Blocked(f"{headers['Package']} names no linux-kbuild, or no compiler: {told}")
    cross = f"gcc-{compiler[1]}-{arch.package_triplet}"
    return (programs[1], cross), programs[1]


def _find(apt: PrivateApt, package: str, version: str) -> Stanza:
    for stanza in apt.show([package]):
        if stanza["Version"] == version:
            return stanza
    raise Blocked(f"{package} {version} is not in the archive any more")


def _fetch(apt: PrivateApt, wanted: Sequence[Stanza], programs: str, target: Path) -> None:
    located = [apt.locate(stanza["Package"], stanza["Version"]) for stanza in wanted]
    files = apt.fetch([one for one in located if one], wanted[0]["Package"])
    with waiting(f"unpacking {wanted[0]['Package']}"):
        packages.unpack(files, target, _place)
    for file in files:
        file.unlink(missing_ok=True)
    for tree in (target / _SOURCES).iterdir():
        _link(tree, programs)


def _link(tree: Path, programs: str) -> None:
    for name in _LINKED:
        if not (tree / name).exists():
            (tree / name).symlink_to(Path("/usr/lib", programs, name))


def _place(name: str) -> str | None:
    found = _FILE.fullmatch(name)
    return found[1] if found else None
