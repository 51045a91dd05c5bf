# SPDX-License-Identifier: Apache-2.0
"""Kernels of Debian's sources: `debian-source:SUITE[/VERSION][@ARCHITECTURE][+FRAGMENT...]`.

The suite's linux-source package, fetched as `debian:` kernels are, is patched by `+patch:FILE`,
configured from fragments and compiled in a build root of the suite. `+debian` starts from Debian's
own configuration.
"""

from __future__ import annotations

import lzma
import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from hotremove.architecture.known import suffix
from hotremove.cache import Cache, digest
from hotremove.errors import Blocked, HostProblem, UsageProblem
from hotremove.kernels import kbuild, store, variant
from hotremove.kernels.distro import buildroot
from hotremove.kernels.distro.apt import PrivateApt, Stanza, Unreachable
from hotremove.kernels.distro.debversion import sort_key
from hotremove.kernels.distro.suites import NotOnMirror, base_suite, with_lists
from hotremove.kernels.kbuild import BuildSpec
from hotremove.kernels.kernel import Kernel
from hotremove.kernels.source import Source
from hotremove.kernels.sources import debian, packages
from hotremove.kernels.sourcetree import SourceTree
from hotremove.kernels.variant import Changes, Variant
from hotremove.progress import say, waiting

SCHEME = "debian-source"
_SOURCE_PACKAGE = re.compile(r"linux-source-\d[\d.]*")
_DEPENDS = re.compile(r"(linux-source-\d[\d.]*) \(= (\S+)\)")
_ARCHIVE = re.compile(r"(?:\./)?usr/src/linux-source-[^/]+\.tar\.(\w+)")
_CONFIG = r"(?:\./)?usr/src/linux-config-[^/]+/config\.{0}_none_{0}\.xz"
_KIND = "sources"


@dataclass(frozen=True)
class Request(Variant):
    """What a spec asks for: a suite, perhaps a version; fragments and patches in their order."""

    wanted: debian.Request

    @property
    def source(self) -> str:
        """The spec without a version."""
        return variant.join(f"{SCHEME}:{self.wanted.lists}", self.words)


def resolve(text: str, cache: Cache) -> Kernel:
    """The kernel of a spec; `text` follows the scheme's colon.

    Raises:
        UsageProblem: no such suite, version, fragment or patch, the patch does not apply, or the
            kernel does not build with it.
        HostProblem: no mirror is reachable and the kernel is not cached; no space; no build root.
    """
    request = parse_request(text)
    changes = request.read()
    spec = f"{SCHEME}:{text}"
    try:
        return _built(find_source(request, cache), request, changes, spec, cache)
    except Blocked as error:
        raise HostProblem(str(error)) from error
    except (Unreachable, NotOnMirror) as error:
        kernel = store.newest(
            cache,
            changes.kept_as(request.source),
            lambda version, _: request.wanted.accepts(version, version),
            spec,
        )
        if kernel is None:
            raise
        say(f"{error}; using {kernel.version} from the cache")
        return kernel


def find_source(request: Request, cache: Cache) -> SourceArchive:
    """The source that is asked for, fetched into the cache when it is not there.

    Raises:
        NotOnMirror: the suite has no such version.
        Unreachable: the mirror cannot be reached.
    """
    take = partial(_fetch, request=request, cache=cache)
    with cache.lock("apt", request.wanted.lists):
        return with_lists(request.wanted.suite, cache, take, request.arch)


def list_sources(suite: str, cache: Cache) -> tuple[str, ...]:
    """Versions of the sources that a suite has, oldest first.

    Raises:
        UsageProblem: the mirror has no such suite.
        HostProblem: no mirror is known or reachable, and there are no lists of before.
    """
    with cache.lock("apt", suite):
        stanzas = with_lists(suite, cache, _sources)
    return tuple(sorted({stanza["Version"] for stanza in stanzas}, key=sort_key))


def parse_request(text: str) -> Request:
    """Take a spec apart.

    Raises:
        UsageProblem: it names no suite, or what follows is no version.

    Example:
        >>> parse_request("bookworm/6.1.192-2+deb12u1+kasan").fragments
        ('kasan',)
    """
    base, words = variant.split(text)
    wanted = debian.parse_request(base, SCHEME)
    return Request(words, wanted, arch=wanted.arch)


@dataclass(frozen=True)
class SourceArchive:
    """A source in the cache: its archive, Debian's configuration where asked for, the version."""

    archive: Path
    config: Path | None
    version: str

    @property
    def key(self) -> str:
        """Changes with the contents, which are kept below a key of them."""
        kept = [path.parent.name for path in (self.archive, self.config) if path]
        return digest(*kept)


def _fetch(apt: PrivateApt, request: Request, cache: Cache) -> SourceArchive:
    stanza = _choose(apt, request.wanted)
    version = stanza["Version"]
    config = None
    if request.full:
        name = stanza["Package"].replace("source", "config")
        found = [s for s in apt.show([name]) if s["Version"] == version]
        if not found:
            raise NotOnMirror(f"{request.source}: the suite has no {name} of version {version}")
        wanted = re.compile(_CONFIG.format(request.arch.debian))
        config = _member(apt, found[0], wanted, cache)
    return SourceArchive(_member(apt, stanza, _ARCHIVE, cache), config, version)


def _choose(apt: PrivateApt, wanted: debian.Request) -> Stanza:
    """The source package that the suite's linux-source means, or the newest of a version."""
    stanzas = _sources(apt)
    if wanted.version is None:
        metas = apt.show(["linux-source"])
        meta = max(metas, key=lambda stanza: sort_key(stanza["Version"]), default={})
        meant = _DEPENDS.findall(meta.get("Depends", ""))
        fitting = [s for s in stanzas if (s["Package"], s["Version"]) in meant]
    else:
        fitting = [s for s in stanzas if wanted.accepts(s["Version"], s["Version"])]
    if fitting:
        return max(fitting, key=lambda stanza: sort_key(stanza["Version"]))
    if wanted.version is None:
        raise NotOnMirror(f"{SCHEME}:{wanted.suite}: the suite has no package linux-source")
    versions = sorted({stanza["Version"] for stanza in stanzas}, key=sort_key, reverse=True)
    raise NotOnMirror(
        f"{SCHEME}:{wanted.suite}/{wanted.version}: no such version;"
        f" {wanted.suite} has {', '.join(versions) or 'none'}"
    )


def _sources(apt: PrivateApt) -> list[Stanza]:
    names = [name for name in apt.names("linux-source-") if _SOURCE_PACKAGE.fullmatch(name)]
    return [stanza for stanza in apt.show(names) if "SHA256" in stanza]


def _member(apt: PrivateApt, stanza: Stanza, wanted: re.Pattern[str], cache: Cache) -> Path:
    """The one file of a package that is wanted, out of the cache or downloaded into it."""
    what = f"{stanza['Package']} {stanza['Version']}"

    def place(name: str) -> str | None:
        return Path(name).name if wanted.fullmatch(name) else None

    def build(target: Path) -> None:
        archive = apt.locate(stanza["Package"], stanza["Version"])
        if archive is None:
            raise Unreachable(f"the package lists don't say where {what} is")
        [file] = apt.fetch([archive], what)
        with waiting(f"unpacking {what}"):
            packages.unpack([file], target, place)
        file.unlink(missing_ok=True)
        if not any(target.iterdir()):
            raise UsageProblem(f"the package {what} has not what it should: {wanted.pattern}")

    return next(cache.get(_KIND, digest(stanza["SHA256"], wanted.pattern), build).iterdir())


def _built(
    found: SourceArchive, request: Request, changes: Changes, spec: str, cache: Cache
) -> Kernel:
    suite, arch = base_suite(request.wanted.suite), request.arch
    needed = kbuild.packages(arch)
    root = buildroot.get(suite, needed, "compiling kernels", cache)
    base = lzma.decompress(found.config.read_bytes()).decode() if found.config else None
    tree = SourceTree(found.archive.parent.name, found.archive, suite, f"{spec} ({found.version})")
    build_spec = BuildSpec(tree, base, changes.options, request.suffix, changes.patches, arch)
    source = changes.kept_as(request.source)

    def stage(target: Path) -> store.Provenance:
        kbuild.build(build_spec, root, cache.directory("ccache"), target)
        return store.Provenance(source, found.version, suite, needed)

    content = (found.key, kbuild.compiler(root, arch), request.suffix, *changes.key)
    key = digest(SCHEME + suffix(arch), kbuild.LAYOUT, *content)
    return replace(store.get(cache, key, stage, spec), source=tree)


SOURCE = Source(
    "debian-source:SUITE[/VERSION][@ARCHITECTURE][+FRAGMENT...][+patch:FILE...]", resolve
)
