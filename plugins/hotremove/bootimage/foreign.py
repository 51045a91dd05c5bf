# SPDX-License-Identifier: Apache-2.0
"""What guests of another processor than this machine's have of Debian: static libraries, busybox.

Their packages are unpacked into the cache; nothing of them runs here, and none is installed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hotremove.architecture.architecture import Architecture
from hotremove.cache import Cache, digest
from hotremove.errors import HostProblem
from hotremove.kernels.distro.apt import Archive, PrivateApt, Unreachable
from hotremove.kernels.distro.debversion import sort_key
from hotremove.kernels.distro.suites import with_lists
from hotremove.kernels.sources import packages
from hotremove.progress import waiting

_KIND = "foreign"
_PACKAGES = ("busybox-static", "libibverbs-dev", "libnl-3-dev", "libnl-route-3-dev")
# Some packages leave out `usr`, where all has its place since.
_WANTED = re.compile(r"(?:\./)?(?:usr/)?(bin/busybox|include/.+|lib/[^/]+/[^/]+\.a)")
# Of another distribution, whose suites are not Debian's: the archives of an old one can be linked
# with any C library since.
_OLD = "bookworm"


@dataclass(frozen=True)
class Foreign:
    """The unpacked packages of one architecture.

    Attributes:
        root: where they lie, as in a file system.
        arch: what for.
    """

    root: Path
    arch: Architecture

    @property
    def key(self) -> str:
        """Changes with their contents."""
        return self.root.name

    @property
    def headers(self) -> Path:
        """The libraries' headers."""
        return self.root / "usr/include"

    @property
    def libraries(self) -> Path:
        """The static libraries."""
        return self.root / "usr/lib" / self.arch.triplet

    @property
    def busybox(self) -> Path:
        """busybox, which every guest runs.

        Raises:
            HostProblem: it is not where it was in any suite so far.
        """
        place = self.root / "usr/bin/busybox"
        if not place.is_file():
            raise HostProblem(f"busybox-static of {self.arch.debian} has no bin/busybox")
        return place


def find_foreign(arch: Architecture, cache: Cache) -> Foreign:
    """What guests of an architecture have, fetched into the cache when it is not there.

    Raises:
        HostProblem: it cannot be fetched.
    """
    suite = _suite()
    key = digest(suite, arch.debian, *_PACKAGES, _WANTED.pattern)
    return Foreign(cache.get(_KIND, key, partial(_fetch, suite, arch, cache)), arch)


def _suite() -> str:
    """This machine's, whose C library is the one that programs are linked with."""
    try:
        told = dict(re.findall(r'^(\w+)="?(.*?)"?$', Path("/etc/os-release").read_text(), re.M))
    except OSError:
        return _OLD
    return told.get("VERSION_CODENAME", _OLD) if told.get("ID") == "debian" else _OLD


def _fetch(suite: str, arch: Architecture, cache: Cache, target: Path) -> None:
    with cache.lock("apt", f"{suite}@{arch.debian}"):
        with_lists(suite, cache, lambda apt: _take(apt, target), arch)


def _take(apt: PrivateApt, target: Path) -> None:
    files = apt.fetch([_newest(apt, name) for name in _PACKAGES], f"libraries for {apt.arch}")
    with waiting(f"unpacking libraries for {apt.arch}"):
        packages.unpack(files, target, _place)
    for file in files:
        file.unlink(missing_ok=True)


def _newest(apt: PrivateApt, name: str) -> Archive:
    versions = [stanza["Version"] for stanza in apt.show([name])]
    found = apt.locate(name, max(versions, key=sort_key)) if versions else None
    if found is None:
        raise Unreachable(f"the package lists have no {name} for {apt.arch.debian}")
    return found


def _place(name: str) -> str | None:
    found = _WANTED.fullmatch(name)
    return f"usr/{found[1]}" if found else None
