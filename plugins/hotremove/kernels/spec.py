# SPDX-License-Identifier: Apache-2.0
"""Kernel specs, `SCHEME:REST` or `host`, and the sources that know how to resolve them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules

from hotremove.cache import ENVIRONMENT_VARIABLE, Cache, host_errors
from hotremove.errors import HostProblem, UsageProblem
from hotremove.kernels import sources
from hotremove.kernels.kernel import Kernel
from hotremove.kernels.source import Expansion, Source


def _found() -> dict[str, Source]:
    """By their schemes: each file of kernels/sources/ is one, and says so in its SOURCE."""
    names = [module.name for module in iter_modules(sources.__path__)]
    found = [import_module(f"{sources.__name__}.{name}").SOURCE for name in names]
    return {source.scheme: source for source in found}


SOURCES = _found()


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
    with _host_errors(spec, cache):
        return SOURCES[spec.scheme].resolve(spec.rest, cache)


def expand(text: str, cache: Cache) -> Expansion | None:
    """The kernels that a spec stands for, none of them fetched; None if it names one.

    Raises:
        UsageProblem, HostProblem: as `resolve`.
    """
    spec = parse(text)
    with _host_errors(spec, cache):
        return SOURCES[spec.scheme].expand(spec.rest, cache)


def specs(text: str, cache: Cache) -> tuple[str, ...]:
    """The specs of single kernels that a spec stands for; itself if it names one."""
    found = expand(text, cache)
    return tuple(kernel.spec for kernel in found.kernels) if found else (text,)


def parse_one(text: str, cache: Cache) -> Spec:
    """As `parse`, for who judges one kernel.

    Raises:
        UsageProblem: it stands for several.
    """
    if expand(text, cache):
        raise UsageProblem(f"{text} stands for several kernels: name one")
    return parse(text)


@contextmanager
def _host_errors(spec: Spec, cache: Cache) -> Iterator[None]:
    try:
        with host_errors(f"resolving the kernel {spec}"):
            yield
    except OSError as error:
        raise HostProblem(
            f"cannot resolve the kernel {spec}: {error} (the cache is {cache.root},"
            f" {ENVIRONMENT_VARIABLE} names another)"
        ) from error


def spellings() -> str:
    """The known spellings, for messages and help."""
    return ", ".join(source.spelling for source in SOURCES.values())
