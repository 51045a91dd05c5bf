# SPDX-License-Identifier: Apache-2.0
"""`hotremove kernels list --available`: the kernels that suites have, and what is left of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from hotremove.architecture.known import split, suffix
from hotremove.cache import Cache
from hotremove.kernels import store
from hotremove.kernels.distro import patterns
from hotremove.kernels.distro.archive import Available
from hotremove.kernels.sources.debian import SCHEME, list_suite
from hotremove.units import MIB

SUITES = ("bullseye", "bookworm", "bookworm-backports", "trixie", "trixie-backports")
"""What is listed unless suites are named."""

_ALL = "*"


def table(texts: Sequence[str], cache: Cache) -> Table:
    """The kernels of `SUITE` or `SUITE/PATTERN`, the oldest of a suite first.

    Raises:
        UsageProblem: there is no such suite, or the pattern makes no sense.
        HostProblem: no lists are to be had.
    """
    made = Table("suite", "version", "release", "MiB", "headers", "cache", "gone", box=None)
    here = {(record.source, record.version, record.release) for _, record in store.present(cache)}
    for suite, one in _kernels(texts or SUITES, cache):
        cached = (f"{SCHEME}:{suite}", one.version, one.release) in here
        made.add_row(
            *(suite, one.version, one.release, f"{one.size / MIB:.0f}"),
            *("yes" if one.headers else "gone", "yes" if cached else "", ", ".join(one.gone)),
        )
    return made


def _kernels(texts: Sequence[str], cache: Cache) -> Iterator[tuple[str, Available]]:
    for text in dict.fromkeys(texts):
        plain, arch = split(text.removeprefix(f"{SCHEME}:"))
        name, _, told = plain.partition("/")
        suite = f"{name}{suffix(arch)}"
        wanted = patterns.parse(told or _ALL)
        found = list_suite(suite, cache)
        yield from ((suite, one) for one in found if wanted.fits(one.version, one.release))
