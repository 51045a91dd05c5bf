# SPDX-License-Identifier: Apache-2.0
"""Debian's kernels: `debian:SUITE[/VERSION][@ARCHITECTURE]`, fetched by apt, signatures checked.

Two layouts: up to 6.12 linux-image-V holds everything; from 7.x it is a shell that depends on
linux-binary-V, linux-modules-V and linux-base-V of the same version.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from hotremove.architecture.architecture import Architecture
from hotremove.architecture.known import DEFAULT, split, suffix
from hotremove.cache import Cache, digest
from hotremove.errors import UsageProblem
from hotremove.kernels import store
from hotremove.kernels.distro import buildroot, patterns, suites
from hotremove.kernels.distro.apt import Gone, PrivateApt, Stanza, Unreachable
from hotremove.kernels.distro.archive import (
    HEADERS_PREFIX,
    IMAGE_PREFIX,
    Available,
    common_headers,
    is_image,
    list_kernels,
    parts,
    release_of,
)
from hotremove.kernels.distro.choices import Choices
from hotremove.kernels.distro.debversion import sort_key
from hotremove.kernels.distro.patterns import flavour
from hotremove.kernels.distro.suites import NotOnMirror, private_apt, with_lists
from hotremove.kernels.kernel import Candidate, Kernel
from hotremove.kernels.source import Expansion, Source
from hotremove.kernels.sources import packages
from hotremove.progress import say, waiting

SCHEME = "debian"
_IMAGE_NAME = re.compile(rf"({IMAGE_PREFIX}\d\S*) \(=")
_LISTED_VERSIONS = 12
_CHOICES = "choices.json"


@dataclass(frozen=True)
class Request:
    """What `debian:` asks for; `version` None is the suite's newest."""

    suite: str
    version: str | None = None
    arch: Architecture = DEFAULT

    @property
    def source(self) -> str:
        """The spec without a version."""
        return f"{SCHEME}:{self.lists}"

    @property
    def spec(self) -> str:
        """The spec as the user wrote it."""
        named = f"{self.suite}/{self.version}" if self.version else self.suite
        return f"{SCHEME}:{named}{suffix(self.arch)}"

    @property
    def lists(self) -> str:
        """What the suite's lists for the architecture are called."""
        return f"{self.suite}{suffix(self.arch)}"

    def is_exactly(self, version: str, release: str) -> bool:
        """True when one package is named in full, whose contents never change."""
        return release == self.version or (version == self.version and not flavour(release))

    def accepts(self, version: str, release: str) -> bool:
        """True when the package version or the release is the one asked for, or begins with it."""
        if self.version is None or release == self.version:
            return True
        return not flavour(release) and any(
            _begins(text, self.version) for text in (version, release)
        )


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
    with cache.lock("apt", request.lists):
        try:
            return _from_mirror(request, cache)
        except (Unreachable, NotOnMirror) as error:
            kernel = store.newest(cache, request.source, request.accepts, request.spec)
            if kernel is None:
                raise
            say(f"{error}; using {kernel.version} from the cache")
            return kernel


def expand(text: str, cache: Cache) -> Expansion | None:
    """The kernels of `debian:SUITE/PATTERN`, by the lists alone; None for other requests.

    Raises:
        UsageProblem: there is no such suite, or nothing in it that the pattern means.
        HostProblem: no mirror is known or reachable, and the cache has nothing that is meant.
    """
    plain, arch = split(text)
    suite, _, told = plain.partition("/")
    if not patterns.is_pattern(told):
        return None
    request, wanted = parse_request(f"{suite}{suffix(arch)}"), patterns.parse(told)
    cached = [r for _, r in store.present(cache) if r.source == request.source]
    here = frozenset((r.version, r.release) for r in cached if wanted.fits(r.version, r.release))
    try:
        listed = list_suite(request.lists, cache)
    except Unreachable as error:
        if not here:
            raise
        say(f"{error}; using those in the cache")
        oldest_first = sorted(here, key=lambda one: sort_key(one[0]))
        listed = tuple(
            Available(release, version, 0, (), False) for version, release in oldest_first
        )
    fitting = [one for one in listed if wanted.fits(one.version, one.release)]
    if not fitting:
        versions = ", ".join(dict.fromkeys(one.version for one in listed)) or "none"
        raise NotOnMirror(f"{SCHEME}:{text}: no such version; {suite} has {versions}")
    return _expand(request, fitting, here, cache)


def list_suite(suite: str, cache: Cache) -> tuple[Available, ...]:
    """All kernels in the lists of a suite, `trixie` or `trixie@arm64`, the oldest first.

    Raises:
        UsageProblem: there is no such suite.
        Unreachable: there are no lists to be had.
    """
    request = parse_request(suite)
    with cache.lock("apt", request.lists):
        return with_lists(request.suite, cache, list_kernels, request.arch)


def find_missing_headers(spec: str, cache: Cache) -> str:
    """Why the archive does not give a kernel's headers, though its lists have them; else empty.

    It is known by fetching them; where a build root has them nobody asks.

    Args:
        spec: of one kernel, `debian:SUITE/VERSION`.
        cache: of package lists and build roots.

    Raises:
        UsageProblem: there is no such suite.
        HostProblem: the mirror cannot be reached.
    """
    request = parse_request(spec.removeprefix(f"{SCHEME}:"))
    for one in list_suite(request.lists, cache):
        named = candidate(request.lists, one).spec == spec
        if named and not buildroot.find(request.suite, _headers(one.release), cache, one.version):
            with cache.lock("apt", request.lists):
                return _why_missing(private_apt(request.suite, cache, request.arch), one)
    return ""


def _why_missing(apt: PrivateApt, one: Available) -> str:
    stanzas = [s for s in apt.show(_headers(one.release)) if s["Version"] == one.version]
    wanted = {(s["Package"], s["Version"]) for s in stanzas}
    wanted |= {common for s in stanzas if (common := common_headers(s))}
    located = [apt.locate(name, version) for name, version in sorted(wanted)]
    try:
        files = apt.fetch([file for file in located if file], f"headers of kernel {one.version}")
    except Gone as error:
        return str(error)
    for file in files:
        file.unlink(missing_ok=True)
    return ""


def _expand(
    request: Request, fitting: Sequence[Available], here: Collection[tuple[str, str]], cache: Cache
) -> Expansion:
    """What can be had, of the archive or of the cache, and what not."""
    whole = [one for one in fitting if not one.gone or (one.version, one.release) in here]
    left_out = tuple(f"{o.version} ({', '.join(o.gone)})" for o in fitting if o not in whole)
    if not whole:
        raise NotOnMirror(f"{request.source}: gone from the archive: {', '.join(left_out)}")
    bare = (one for one in whole if not _has_headers(request, one, cache))
    without = tuple(candidate(request.lists, one) for one in bare)
    return Expansion(tuple(candidate(request.lists, one) for one in whole), left_out, without)


def _has_headers(request: Request, one: Available, cache: Cache) -> bool:
    """Whether the archive has them, or a build root."""
    names = _headers(one.release)
    return one.headers or bool(buildroot.find(request.suite, names, cache, one.version))


def _headers(release: str) -> tuple[str, ...]:
    return (f"{HEADERS_PREFIX}{release}",)


def candidate(suite: str, one: Available) -> Candidate:
    """By its version, which an ordinary kernel has alone, or else by its release."""
    named = one.release if flavour(one.release) else one.version
    request = replace(parse_request(suite), version=named)
    return Candidate(request.spec, one.release, one.version, arch=request.arch)


def parse_request(text: str, scheme: str = SCHEME) -> Request:
    """`SUITE[/VERSION][@ARCHITECTURE]` as a request; `scheme` is for messages.

    Raises:
        UsageProblem: it is neither.
    """
    plain, arch = split(text)
    suite, slash, version = plain.partition("/")
    if patterns.is_pattern(version):
        raise UsageProblem(f"{scheme}:{text} stands for several kernels: name one")
    if not re.fullmatch(r"[a-z][a-z0-9.-]*", suite) or (slash and not version):
        raise UsageProblem(
            f"{scheme}:{text} names no suite: write {scheme}:bookworm or {scheme}:bookworm/6.1.176"
        )
    if version and not re.fullmatch(r"[0-9][\w.+~:-]*", version):
        raise UsageProblem(f"{scheme}:{text}: {version} is not a version: write one like 6.1.176")
    return Request(suite, version or None, arch)


def choose(stanzas: Sequence[Stanza], request: Request) -> Choice | None:
    """The newest image among control stanzas that the request accepts."""
    fitting = [
        (stanza, release)
        for stanza in stanzas
        if (release := release_of(stanza, request.arch))
        and request.accepts(stanza["Version"], release)
    ]
    if not fitting:
        return None
    stanza, release = max(fitting, key=lambda item: sort_key(item[0]["Version"]))
    return Choice(release, stanza["Version"], parts(stanza))


def unknown_version(request: Request, stanzas: Sequence[Stanza]) -> NotOnMirror:
    """The error for a version that the suite does not have; it lists those it has."""
    images = [stanza for stanza in stanzas if is_image(stanza["Package"], request.arch)]
    versions = sorted({stanza["Version"] for stanza in images}, key=sort_key, reverse=True)
    shown = ", ".join(versions[:_LISTED_VERSIONS]) or "none"
    older = len(versions) - _LISTED_VERSIONS
    more = f" and {older} older" if older > 0 else ""
    return NotOnMirror(f"{request.spec}: no such version; {request.suite} has {shown}{more}")


def _from_mirror(request: Request, cache: Cache) -> Kernel:
    take = partial(_take, request=request, cache=cache)
    kernel = with_lists(request.suite, cache, take, request.arch)
    apt = private_apt(request.suite, cache, request.arch)
    Choices(apt.root / _CHOICES, apt.fetched() or 0).keep(request.version, kernel.image.parent.name)
    return kernel


def _recalled(request: Request, cache: Cache) -> Kernel | None:
    """The kernel that the same request led to a short while ago."""
    apt = private_apt(request.suite, cache, request.arch)
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
        headers = _headers(choice.release)
        return store.Provenance(request.source, choice.version, request.suite, headers)

    key = digest("debian", *sorted(stanza["SHA256"] for stanza in parts))
    return store.get(cache, key, stage, request.spec)


def _select(apt: PrivateApt, request: Request) -> tuple[Choice, list[Stanza]]:
    stanzas = apt.show(_candidates(apt, request))
    choice = choose(stanzas, request)
    if choice is None and request.version is None:
        wanted = f"{IMAGE_PREFIX}{apt.arch.debian}"
        raise NotOnMirror(f"{request.spec}: the suite has no {wanted} package")
    if choice is None:
        raise unknown_version(request, stanzas)
    shown = apt.show([name for name, _ in choice.parts])
    return choice, [s for s in shown if (s["Package"], s["Version"]) in choice.parts]


def _candidates(apt: PrivateApt, request: Request) -> list[str]:
    """Names of image packages: the one the suite recommends, or all when a version is asked for."""
    if request.version is not None:
        return [name for name in apt.names(IMAGE_PREFIX) if is_image(name, apt.arch)]
    metas = apt.show([IMAGE_PREFIX + apt.arch.debian])
    newest = max(metas, key=lambda stanza: sort_key(stanza["Version"]), default={})
    return _IMAGE_NAME.findall(newest.get("Depends", ""))


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


SOURCE = Source("debian:SUITE[/VERSION][@ARCHITECTURE]", resolve, expand)
