# SPDX-License-Identifier: Apache-2.0
"""Kernel specs, `SCHEME:REST` or `host`, and the sources that know how to resolve them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hotremove.cache import ENVIRONMENT_VARIABLE, Cache, host_errors
from hotremove.errors import HostProblem, UsageProblem
from hotremove.kernels.kernel import Kernel
from hotremove.kernels.sources import (
    debian,
    debian_source,
    directory,
    host,
    image,
    packages,
    rpm,
    tarball,
    tree,
)


@dataclass(frozen=True)
class Source:
    """One kind of kernel: how its specs are spelled, and what resolves the text after the colon."""

    spelling: str
    resolve: Callable[[str, Cache], Kernel]


SOURCES = {
    "debian": Source("debian:SUITE[/VERSION]", debian.resolve),
    "debian-source": Source("debian-source:SUITE[/VERSION][+FRAGMENT...]", debian_source.resolve),
    "deb": Source("deb:PATH[,PATH...]", packages.resolve),
    "rpm": Source("rpm:PATH[,PATH...]", rpm.resolve),
    "tar": Source("tar:PATH[,PATH...]", tarball.resolve),
    "tree": Source("tree:PATH", tree.resolve),
    "dir": Source("dir:PATH", directory.resolve),
    "image": Source("image:PATH", image.resolve),
    "host": Source("host", host.resolve),
}


@dataclass(frozen=True)
class Spec:
    """A spec taken apart; `rest` is empty for `host`."""

    scheme: str
    rest: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.rest}" if self.rest else self.scheme


def parse(text: str) -> Spec:
    """Take a spec apart.

    Raises:
        UsageProblem: its scheme is not known, or the text after the colon is missing.
    """
    scheme, _, rest = text.strip().partition(":")
    source = SOURCES.get(scheme)
    if source is None:
        raise UsageProblem(f"unknown kernel spec {text!r}: write one of {spellings()}")
    if (":" in source.spelling) != bool(rest):
        raise UsageProblem(f"incomplete kernel spec {text!r}: write {source.spelling}")
    return Spec(scheme, rest)


def resolve(text: str, cache: Cache) -> Kernel:
    """The kernel a spec names, fetched into the cache when it is not there.

    Raises:
        UsageProblem: the spec or what it names is wrong.
        HostProblem: this machine cannot fetch or unpack it.
    """
    spec = parse(text)
    try:
        with host_errors(f"resolving the kernel {spec}"):
            return SOURCES[spec.scheme].resolve(spec.rest, cache)
    except OSError as error:
        raise HostProblem(
            f"cannot resolve the kernel {spec}: {error} (the cache is {cache.root},"
            f" {ENVIRONMENT_VARIABLE} names another)"
        ) from error


def spellings() -> str:
    """The known spellings, for messages and help."""
    return ", ".join(source.spelling for source in SOURCES.values())
