# SPDX-License-Identifier: Apache-2.0
"""Debian's kernels: `debian:SUITE` and `debian:SUITE/VERSION`, fetched by apt, signatures checked.

Two layouts: up to 6.12 linux-image-V holds everything; from 7.x it is a shell that depends on
linux-binary-V, linux-modules-V and linux-base-V of the same version.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hotremove import processes
from hotremove.cache import Cache, digest
from hotremove.errors import HostProblem, UsageProblem
from hotremove.kernels import architecture, store
from hotremove.kernels.distro import mirrors
from hotremove.kernels.distro.apt import NoSuchSuites, PrivateApt, Repository, Stanza, Unreachable
from hotremove.kernels.distro.choices import Choices
from hotremove.kernels.distro.debversion import sort_key
from hotremove.kernels.kernel import Kernel
from hotremove.kernels.source import Source
from hotremove.kernels.sources import packages
from hotremove.progress import say, waiting

REFRESH_SECONDS = 12 * 3600
"""How old package lists may be before they are fetched again."""

RETRY_SECONDS = 300
"""Lists younger than this are not fetched again when they lack a kernel."""

_FLAVOUR = architecture.X86_64.debian
_IMAGE_PREFIX = "linux-image-"
_IMAGE = re.compile(rf"linux-image-(\d\S*-{_FLAVOUR})")
_IMAGE_NAME = re.compile(rf"(linux-image-\d\S*-{_FLAVOUR}) \(=")
_SPECIAL = re.compile(rf"-(?:cloud|rt)-{_FLAVOUR}$")
_PART = re.compile(r"(linux-(?:binary|modules|base)-\d\S*) \(= (\S+)\)")
_LISTED_VERSIONS = 12
_CHOICES = "choices.json"
_BOOTSTRAP_SETTINGS = re.compile(
    r"^Acquire::(?:(?:http|https|socks)(?:::\S+)?|Check-Valid-Until|Check-Date|Max-ValidTime\S*"
    r'|Retries|ForceIPv[46]|Languages\S*) ".+";$',
    re.MULTILINE,
)


T = TypeVar("T")


class NotOnMirror(UsageProblem):
    """The mirror answers, but has no such suite or version; the cache may still have it."""


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


@dataclass(frozen=True)
class AptEnvironment:
    """What a tool needs to install packages of a suite by itself, mmdebstrap for one.

    Attributes:
        suite: the suite to bootstrap, `trixie` for `trixie-backports`.
        sources: lines of a sources.list, with signed-by where a keyring is known.
        options: apt settings of this machine that a bootstrap needs, `Acquire::http::Proxy "..."`.
    """

    suite: str
    sources: tuple[str, ...]
    options: tuple[str, ...]


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


def apt_environment(suite: str, cache: Cache) -> AptEnvironment:
    """Sources and settings for a build root of `suite`, which may be a backports suite.

    Raises:
        UsageProblem: the mirror has no such suite.
        HostProblem: no mirror is known or reachable.
    """
    base = base_suite(suite)
    repositories: list[Repository] = []
    for name in dict.fromkeys((base, suite)):
        with cache.lock("apt", name):
            apt = _private_apt(name, cache)
            _update_lists(apt, name, limit=REFRESH_SECONDS)
            present = apt.suites()
        repositories += [wanted for wanted in wanted_repositories(name) if wanted.suite in present]
    return AptEnvironment(
        suite=base,
        sources=tuple(repository.one_line() for repository in repositories),
        options=_bootstrap_settings(),
    )


def base_suite(suite: str) -> str:
    """The suite that can be bootstrapped: `trixie` for `trixie-backports`."""
    return suite.removesuffix("-backports")


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


def wanted_repositories(suite: str) -> tuple[Repository, ...]:
    """The suite, then its updates and its security suite, which not every suite has."""
    found = mirrors.find()
    wanted = [Repository(found.main, suite, found.keyring)]
    if _has_companions(suite):
        wanted.append(Repository(found.main, f"{suite}-updates", found.keyring))
        if found.security:
            wanted.append(Repository(found.security, f"{suite}-security", found.keyring))
    return tuple(wanted)


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


def with_lists(suite: str, cache: Cache, take: Callable[[PrivateApt], T]) -> T:
    """What `take` finds in the suite's lists, or in fresh ones if those are out of date.

    Raises:
        NotOnMirror, Unreachable: as `take`, or there are no lists to be had.
    """
    apt = _private_apt(suite, cache)
    _update_lists(apt, suite, limit=REFRESH_SECONDS)
    try:
        return take(apt)
    except (Unreachable, NotOnMirror):
        if not _update_lists(apt, suite, limit=RETRY_SECONDS):
            raise
        return take(apt)


def packages_gone(suite: str, names: Sequence[str], cache: Cache) -> tuple[str, ...]:
    """Which packages the suite, or the one that it is built on, has no more; none if unknown.

    By package lists alone, which are fetched where there are none or old ones.
    """
    left = set(names)
    for name in dict.fromkeys((suite, base_suite(suite))):
        if not left:
            break
        try:
            with cache.lock("apt", name):
                apt = _private_apt(name, cache)
                _update_lists(apt, name, limit=REFRESH_SECONDS)
                left -= {stanza["Package"] for stanza in apt.show(sorted(left))}
        except (HostProblem, NotOnMirror):
            return ()
    return tuple(name for name in names if name in left)


def _from_mirror(request: Request, cache: Cache) -> Kernel:
    kernel = with_lists(request.suite, cache, lambda apt: _take(apt, request, cache))
    apt = _private_apt(request.suite, cache)
    Choices(apt.root / _CHOICES, apt.fetched() or 0).keep(request.version, kernel.image.parent.name)
    return kernel


def _recalled(request: Request, cache: Cache) -> Kernel | None:
    """The kernel that the same request led to a short while ago."""
    apt = _private_apt(request.suite, cache)
    fetched = apt.fetched()
    if fetched is None or not 0 <= time.time() - fetched < REFRESH_SECONDS:
        return None
    key = Choices(apt.root / _CHOICES, fetched).recall(request.version)
    root = cache.find(store.KIND, key) if key else None
    return store.load(root, request.spec) if root else None


def _private_apt(suite: str, cache: Cache) -> PrivateApt:
    return PrivateApt(cache.path("apt", suite))


def _update_lists(apt: PrivateApt, suite: str, limit: float) -> bool:
    """Fetch the lists if older than `limit` seconds; True when they were fetched now.

    Old lists will do when the mirror cannot be reached.
    """
    wanted = wanted_repositories(suite)
    age = apt.age(wanted)
    if age is not None and age < limit:
        return False
    optional = {repository.suite for repository in wanted[1:]}
    try:
        apt.update(wanted, optional, f"debian:{suite}")
    except NoSuchSuites as error:
        raise NotOnMirror(
            f"debian:{suite}: the mirror has no suite {suite}; write a codename it carries,"
            " like debian:bookworm or debian:trixie-backports"
        ) from error
    except Unreachable as error:
        if age is None:
            raise
        say(f"{error}; using the lists of {age / 3600:.0f} hours ago")
        return False
    return True


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


def _has_companions(suite: str) -> bool:
    return not suite.endswith(("-backports", "-updates", "-security", "-proposed-updates"))


def _bootstrap_settings() -> tuple[str, ...]:
    """The machine's apt settings on how to reach mirrors and how old an index may be."""
    done = processes.run(["apt-config", "dump"], "asking apt for its settings")
    return tuple(line.removesuffix(";") for line in _BOOTSTRAP_SETTINGS.findall(done.stdout))


SOURCE = Source("debian:SUITE[/VERSION]", resolve)
