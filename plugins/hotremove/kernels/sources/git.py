# SPDX-License-Identifier: Apache-2.0
"""Kernels of commits: `git:REPO[#REF][@ARCHITECTURE][+FRAGMENT...][+patch:FILE...][+suite:SUITE]`.

The commit is fetched into a mirror in the cache and compiled as `debian-source:` kernels are, in a
build root of the suite whose compiler is of the kernel's age, or of the one that is named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from hotremove.architecture.known import split_known, suffix
from hotremove.cache import Cache, digest
from hotremove.errors import Blocked, HostProblem, UsageProblem
from hotremove.kernels import kbuild, store, variant
from hotremove.kernels.distro import buildroot
from hotremove.kernels.kbuild import BuildSpec
from hotremove.kernels.kernel import Kernel
from hotremove.kernels.repository.mirror import Mirror, open_mirror
from hotremove.kernels.repository.origin import Origin, find_origin
from hotremove.kernels.source import Source
from hotremove.kernels.sourcetree import SourceTree
from hotremove.kernels.variant import Changes, Variant

SCHEME = "git"
_SUITE = "suite:"
# The last kernel that a suite's compiler is known to be for: each is its own suite's, or was made
# while that was the newest. What is later takes the newest.
_SUITES = (((5, 10), "bullseye"), ((6, 6), "bookworm"))
_NEWEST = "trixie"
_VERSION = re.compile(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)[ \t]*=[ \t]*(\S*)$", re.M)


@dataclass(frozen=True)
class Request(Variant):
    """What a spec asks for; `ref` and `suite` are None where it does not say.

    Attributes:
        repository: a path or a URL.
        ref: a tag, a branch, a commit.
        suite: whose compiler to take.
    """

    repository: str
    ref: str | None
    suite: str | None

    @property
    def source(self) -> str:
        """The spec without a ref."""
        suite = [f"{_SUITE}{self.suite}"] if self.suite else []
        repository = f"{self.repository}{suffix(self.arch)}"
        return variant.join(f"{SCHEME}:{repository}", (*self.words, *suite))


@dataclass(frozen=True)
class Version:
    """What a kernel's Makefile says of it."""

    major: int
    minor: int
    point: int
    extra: str = ""

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.point}{self.extra}"

    @property
    def numbers(self) -> tuple[int, int, int]:
        """As they are compared."""
        return self.major, self.minor, self.point

    @property
    def tag(self) -> str:
        """The tag of its release: v6.12, v6.13-rc2, v6.12.50."""
        point = f".{self.point}" if self.point else ""
        return f"v{self.major}.{self.minor}{point}{self.extra}"

    @property
    def suite(self) -> str:
        """The suite whose compiler is of its age."""
        fitting = [name for last, name in _SUITES if (self.major, self.minor) <= last]
        return fitting[0] if fitting else _NEWEST


@dataclass(frozen=True)
class Commit:
    """A commit in a mirror.

    Attributes:
        id: its hash.
        version: its Makefile's.
        described: what `git describe` says, None where no tag leads to it.
    """

    id: str
    version: Version
    described: str | None

    @property
    def name(self) -> str:
        """How kernels of it are called."""
        return self.described or self.exact

    @property
    def exact(self) -> str:
        """The most precise version, which begins with the numbers of the Makefile's.

        A vendor's tag, v2.3 for one, counts something else.
        """
        told = (self.described or "").removeprefix("v")
        found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?(?![\d.])", told)
        numbers = tuple(map(int, found.groups("0"))) if found else ()
        return told if numbers == self.version.numbers else f"{self.version}-g{self.id[:12]}"


def resolve(text: str, cache: Cache) -> Kernel:
    """The kernel of a commit; `text` follows the scheme's colon.

    Raises:
        UsageProblem: no such repository, ref, fragment or patch; no kernel, or it does not build.
        HostProblem: neither repository nor mirror has it; no space, no build root.
    """
    request = parse_request(text)
    changes = request.read()
    origin = find_origin(request.repository)
    with open_mirror(origin.place, cache) as mirror:
        commit = find_commit(origin, request, mirror)
    try:
        return _built(commit, request, changes, mirror, f"{SCHEME}:{text}", cache)
    except Blocked as error:
        raise HostProblem(str(error)) from error


def check(text: str) -> None:
    """Find out what is wrong with a spec whatever its commit holds; nothing is fetched.

    Raises:
        UsageProblem, HostProblem: as `resolve`.
    """
    request = parse_request(text)
    request.read()
    find_origin(request.repository).check(request.ref)


def parse_request(text: str) -> Request:
    """Take a spec apart: all before `#` is the repository, what follows an `@` the architecture.

    Where no architecture has that name, the `@` belongs to the repository or the ref.

    Raises:
        UsageProblem: a part is missing, or is for other sources.

    Example:
        >>> request = parse_request("~/linux#origin/linux-6.12.y+kasan+suite:bookworm")
        >>> request.repository, request.ref, request.fragments, request.suite
        ('~/linux', 'origin/linux-6.12.y', ('kasan',), 'bookworm')
    """
    before, mark, after = text.partition("#")
    named, words = variant.split(after if mark else before)
    told, arch = split_known(named)
    repository, ref = (before, told) if mark else (told, None)
    if not repository or ref == "":
        raise UsageProblem(f"{SCHEME}:{text} is not whole: write {SOURCE.spelling}")
    suites = [word.removeprefix(_SUITE) for word in words if word.startswith(_SUITE)]
    rest = tuple(word for word in words if not word.startswith(_SUITE))
    if variant.FULL in rest:
        raise UsageProblem(
            f"{SCHEME}:{text}: Debian's configuration comes with its sources: write"
            f" debian-source:SUITE+{variant.FULL}"
        )
    return Request(rest, repository, ref, suites[-1] if suites else None, arch=arch)


def read_version(makefile: str) -> Version | None:
    r"""The version that the Makefile of a kernel says.

    Example:
        >>> str(read_version("VERSION = 6\nPATCHLEVEL = 13\nSUBLEVEL = 0\nEXTRAVERSION = -rc2\n"))
        '6.13.0-rc2'
    """
    found = dict(_VERSION.findall(makefile))
    major, minor, point = (found.get(name, "") for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL"))
    if not (major.isdecimal() and minor.isdecimal() and point.isdecimal()):
        return None
    return Version(int(major), int(minor), int(point), found.get("EXTRAVERSION", ""))


def find_commit(origin: Origin, request: Request, mirror: Mirror) -> Commit:
    """The commit that is asked for, in the mirror from now on.

    Raises:
        UsageProblem: there is no such commit, or no kernel in it.
        HostProblem: it cannot be had.
    """
    found = origin.find(request.ref, mirror)
    version = read_version(mirror.text(found, "Makefile"))
    if version is None:
        raise UsageProblem(
            f"{SCHEME}:{request.repository}: {found[:12]} holds no kernel: its Makefile, if it has"
            " one, gives no version"
        )
    return Commit(found, version, origin.describe(found, version.tag, mirror))


def _built(
    commit: Commit, request: Request, changes: Changes, mirror: Mirror, spec: str, cache: Cache
) -> Kernel:
    suite, arch = request.suite or commit.version.suite, request.arch
    needed = kbuild.packages(arch)
    root = buildroot.get(suite, needed, "compiling kernels", cache)
    archive = partial(mirror.archive, commit.id)
    tree = SourceTree(commit.id, archive, suite, f"{spec} ({commit.name})")
    build_spec = BuildSpec(tree, None, changes.options, request.suffix, changes.patches, arch)

    def stage(target: Path) -> store.Provenance:
        kbuild.build(build_spec, root, cache.directory("ccache"), target)
        source = changes.kept_as(request.source)
        return store.Provenance(source, commit.exact, suite, needed, name=commit.name)

    content = (commit.id, kbuild.compiler(root, arch), request.suffix, *changes.key)
    key = digest(SCHEME + suffix(arch), kbuild.LAYOUT, *content)
    return replace(store.get(cache, key, stage, spec), source=tree)


SOURCE = Source("git:REPO[#REF][@ARCHITECTURE][+FRAGMENT...][+patch:FILE...]", resolve)
