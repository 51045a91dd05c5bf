# SPDX-License-Identifier: Apache-2.0
"""Debian's kernels: `debian:SUITE` and `debian:SUITE/VERSION`, fetched by apt, signatures checked.

Two layouts: up to 6.12 linux-image-V holds everything; from 7.x it is a shell that depends on
linux-binary-V, linux-modules-V and linux-base-V of the same version.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hotremove.cache import Cache, digest
from hotremove.errors import UsageProblem
from hotremove.kernels import architecture, store
from hotremove.kernels.distro import suites
from hotremove.kernels.distro.apt import PrivateApt, Stanza, Unreachable
from hotremove.kernels.distro.choices import Choices
from hotremove.kernels.distro.debversion import sort_key
from hotremove.kernels.distro.suites import NotOnMirror, private_apt, with_lists
from hotremove.kernels.kernel import Kernel
from hotremove.kernels.source import Source
from hotremove.kernels.sources import packages
from hotremove.progress import say, waiting

_FLAVOUR = architecture.X86_64.debian
_IMAGE_PREFIX = "linux-image-"
_IMAGE = re.compile(rf"linux-image-(\d\S*-{_FLAVOUR})")
_IMAGE_NAME = re.compile(rf"(linux-image-\d\S*-{_FLAVOUR}) \(=")
_SPECIAL = re.compile(rf"-(?:cloud|rt)-{_FLAVOUR}$")
_PART = re.compile(r"(linux-(?:binary|modules|base)-\d\S*) \(= (\S+)\)")
_LISTED_VERSIONS = 12
_CHOICES = "choices.json"


@dataclass(frozen=True)
class Request:
    """What `debian:` asks for; `version` None is the suite's newest."""

    suite: str
    version: str | None = None

    @property
    def source(self) -> str:
        """The spec without a version."""
        return f"debian:{self.suite}"

    @property
    def spec(self) -> str:
        """The spec as the user wrote it."""
        return f"{self.source}/{self.version}" if self.version else self.source

    def is_exactly(self, version: str, release: str) -> bool:
        """True when one package is named in full, whose contents never change."""
        return self.version in (version, release)

    def accepts(self, version: str, release: str) -> bool:
        """True when the package version or the release is the one asked for, or begins with it."""
        if self.version is None or release == self.version:
            return True
        ordinary = not _SPECIAL.search(release)
        return ordinary and any(_begins(text, self.version) for text in (version, release))


@dataclass(frozen=True)
class Choice:
    """One kernel of a suite: its release, its version and the packages that hold it."""

    release: str
    version: str
    parts: tuple[tuple[str, str], ...]


def resolve(text: str, cache: Cache) -> Kernel:
    """The kernel of `debian:SUITE[/VERSION]`; `text` is what follows the colon.

    Raises:
        UsageProblem: the mirror has no such suite or version, or a package is not sound.
        HostProblem: no mirror is known or reachable and the kernel is not cached; no space.
    """
    request = parse_request(text)
    exact = store.newest(cache, request.source, request.is_exactly, request.spec)
    if known := exact or _recalled(request, cache):
        return known
    with cache.lock("apt", request.suite):
        try:
            return _from_mirror(request, cache)
        except (Unreachable, NotOnMirror) as error:
            kernel = store.newest(cache, request.source, request.accepts, request.spec)
            if kernel is None:
                raise
            say(f"{error}; using {kernel.version} from the cache")
            return kernel


def parse_request(text: str, scheme: str = "debian") -> Request:
    """`SUITE` or `SUITE/VERSION` as a request; `scheme` is for messages.

    Raises:
        UsageProblem: it is neither.
    """
    suite, slash, version = text.partition("/")
    if not re.fullmatch(r"[a-z][a-z0-9.-]*", suite) or (slash and not version):
        raise UsageProblem(
            f"{scheme}:{text} names no suite: write {scheme}:bookworm or {scheme}:bookworm/6.1.176"
        )
    if version and not re.fullmatch(r"[0-9][\w.+~:-]*", version):
        raise UsageProblem(f"{scheme}:{text}: {version} is not a version: write one like 6.1.176")
    return Request(suite, version or None)


def choose(stanzas: Sequence[Stanza], request: Request) -> Choice | None:
    """The newest image among control stanzas that the request accepts."""
    fitting = [
        (stanza, found.group(1))
        for stanza in stanzas
        if (found := _IMAGE.fullmatch(stanza["Package"]))
        and request.accepts(stanza["Version"], found.group(1))
    ]
    if not fitting:
        return None
    stanza, release = max(fitting, key=lambda item: sort_key(item[0]["Version"]))
    return Choice(release, stanza["Version"], _parts(stanza))


def unknown_version(request: Request, stanzas: Sequence[Stanza]) -> NotOnMirror:
    """The error for a version that the suite does not have; it lists those it has."""
    images = [stanza for stanza in stanzas if _IMAGE.fullmatch(stanza["Package"])]
    versions = sorted({stanza["Version"] for stanza in images}, key=sort_key, reverse=True)
    shown = ", ".join(versions[:_LISTED_VERSIONS]) or "none"
    older = len(versions) - _LISTED_VERSIONS
    more = f" and {older} older" if older > 0 else ""
    return NotOnMirror(f"{request.spec}: no such version; {request.suite} has {shown}{more}")


def _from_mirror(request: Request, cache: Cache) -> Kernel:
    kernel = with_lists(request.suite, cache, lambda apt: _take(apt, request, cache))
    apt = private_apt(request.suite, cache)
    Choices(apt.root / _CHOICES, apt.fetched() or 0).keep(request.version, kernel.image.parent.name)
    return kernel


def _recalled(request: Request, cache: Cache) -> Kernel | None:
    """The kernel that the same request led to a short while ago."""
    apt = private_apt(request.suite, cache)
    fetched = apt.fetched()
    if fetched is None or not 0 <= time.time() - fetched < suites.REFRESH_SECONDS:
        return None
    key = Choices(apt.root / _CHOICES, fetched).recall(request.version)
    root = cache.find(store.KIND, key) if key else None
    return store.load(root, request.spec) if root else None


def _take(apt: PrivateApt, request: Request, cache: Cache) -> Kernel:
    """The kernel the lists lead to, out of the cache or downloaded into it."""
    choice, parts = _select(apt, request)

    def stage(root: Path) -> store.Provenance:
        _download(apt, choice, root)
        headers = (f"linux-headers-{choice.release}",)
        return store.Provenance(request.source, choice.version, request.suite, headers)

    key = digest("debian", *sorted(stanza["SHA256"] for stanza in parts))
    return store.get(cache, key, stage, request.spec)


def _select(apt: PrivateApt, request: Request) -> tuple[Choice, list[Stanza]]:
    stanzas = apt.show(_candidates(apt, request))
    choice = choose(stanzas, request)
    if choice is None and request.version is None:
        raise NotOnMirror(f"{request.spec}: the suite has no {_IMAGE_PREFIX}{_FLAVOUR} package")
    if choice is None:
        raise unknown_version(request, stanzas)
    shown = apt.show([name for name, _ in choice.parts])
    return choice, [s for s in shown if (s["Package"], s["Version"]) in choice.parts]


def _candidates(apt: PrivateApt, request: Request) -> list[str]:
    """Names of image packages: the one the suite recommends, or all when a version is asked for."""
    if request.version is not None:
        return [name for name in apt.names(_IMAGE_PREFIX) if _IMAGE.fullmatch(name)]
    metas = apt.show([_IMAGE_PREFIX + _FLAVOUR])
    newest = max(metas, key=lambda stanza: sort_key(stanza["Version"]), default={})
    return _IMAGE_NAME.findall(newest.get("Depends", ""))


def _parts(image: Stanza) -> tuple[tuple[str, str], ...]:
    """The package itself and, in the split layout, those that hold its contents."""
    others = _PART.findall(image.get("Depends", ""))
    return ((image["Package"], image["Version"]), *others)


def _download(apt: PrivateApt, choice: Choice, root: Path) -> None:
    """Fetch and unpack; the package files are dropped afterwards, the entry replaces them."""
    located = {name: apt.locate(name, version) for name, version in choice.parts}
    found = [archive for archive in located.values() if archive is not None]
    gone = [name for name, archive in located.items() if archive is None]
    if gone:
        raise Unreachable(f"{', '.join(gone)} {choice.version} is not in the archive any more")
    files = apt.fetch(found, f"kernel {choice.version}")
    with waiting(f"unpacking kernel {choice.version}"):
        for file in files:
            packages.read_control(file)
        packages.unpack(files, root)
    for file in files:
        file.unlink(missing_ok=True)


def _begins(text: str, prefix: str) -> bool:
    """True when `text` begins with `prefix` and the last number is not cut in two."""
    rest = text.removeprefix(prefix)
    return text.startswith(prefix) and not (prefix[-1].isdigit() and rest[:1].isdigit())


SOURCE = Source("debian:SUITE[/VERSION]", resolve)
