# SPDX-License-Identifier: Apache-2.0
"""The atlas: kernels in order by rows, and each row's changes from a kernel to the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hotremove.analysis.atlas.explanation import Explanation, explain
from hotremove.analysis.atlas.sight import Seen, Sight
from hotremove.kernels.offers.offer import Offer
from hotremove.lineage import release
from hotremove.results.naming import row_order


@dataclass(frozen=True)
class Turn:
    """A row that comes out otherwise on a kernel than on the one before that was looked at.

    Attributes:
        row: the scenario with all it was run over.
        kernels: the one before, and this one.
        seen: what each showed.
        why: what explains it.
    """

    row: str
    kernels: tuple[str, str]
    seen: tuple[Sight, Sight]
    why: Explanation


@dataclass(frozen=True)
class Stretch:
    """Kernels in a row on which a row comes out alike.

    Attributes:
        first: the oldest of them.
        last: the newest.
        told: how it comes out.
    """

    first: str
    last: str
    told: str


@dataclass(frozen=True)
class AtlasRow:
    """A row over all kernels.

    Attributes:
        row: the scenario with all it was run over.
        seen: what was seen of it, by the kernel.
        stretches: where it comes out alike, oldest first.
        turns: where it does not.
    """

    row: str
    seen: Mapping[str, Sight]
    stretches: tuple[Stretch, ...]
    turns: tuple[Turn, ...]


@dataclass(frozen=True)
class Atlas:
    """What all kernels do.

    Attributes:
        kernels: those that were run, oldest first.
        rows: all rows, by number.
        gone: kernels that cannot be run from packages, and the parts that are missing.
        waiting: kernels that can be run and were not.
    """

    kernels: tuple[str, ...]
    rows: tuple[AtlasRow, ...]
    gone: tuple[Offer, ...] = ()
    waiting: tuple[Offer, ...] = ()

    @property
    def turning(self) -> tuple[AtlasRow, ...]:
        """Rows that change somewhere."""
        return tuple(row for row in self.rows if row.turns)

    @property
    def steady(self) -> tuple[AtlasRow, ...]:
        """Rows that come out alike on every kernel that was looked at."""
        return tuple(row for row in self.rows if row.stretches and not row.turns)

    @property
    def findings(self) -> tuple[Turn, ...]:
        """Changes that nothing explains."""
        return tuple(turn for row in self.rows for turn in row.turns if turn.why.is_finding)

    @property
    def no_headers(self) -> Mapping[str, tuple[str, ...]]:
        """Rows that nobody looked at for want of headers, by the kernel."""
        return self._unlooked(lacks_headers=True)

    @property
    def unlooked(self) -> Mapping[str, tuple[str, ...]]:
        """Rows that nobody looked at for another reason, by the kernel, with the verdict."""
        return self._unlooked(lacks_headers=False)

    def _unlooked(self, *, lacks_headers: bool) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for kernel in self.kernels:
            rows = ((row.row, row.seen[kernel]) for row in self.rows if kernel in row.seen)
            told = tuple(
                name if lacks_headers else f"{name}: {sight.verdict}"
                for name, sight in rows
                if not sight.says_something and sight.lacks_headers is lacks_headers
            )
            if told:
                found[kernel] = told
        return found


def chart(seen: Seen, offers: Sequence[Offer] = ()) -> Atlas:
    """The atlas of what was seen; `offers` are kernels that an archive has, or has parts of."""
    names = sorted(seen.rows, key=row_order)
    rows = tuple(_row(name, seen.rows[name], seen.kernels) for name in names)
    others = {one.version: one for one in offers if one.version not in seen.kernels}
    ordered = sorted(others.values(), key=lambda one: release.order(one.version))
    gone = tuple(one for one in ordered if one.lacks)
    return Atlas(seen.kernels, rows, gone, tuple(one for one in ordered if not one.lacks))


def _row(name: str, seen: Mapping[str, Sight], kernels: Sequence[str]) -> AtlasRow:
    looked = [kernel for kernel in kernels if kernel in seen and seen[kernel].says_something]
    turns = tuple(
        _turn(name, (before, after), (seen[before], seen[after]))
        for before, after in pairwise(looked)
        if seen[before].told != seen[after].told
    )
    return AtlasRow(name, seen, tuple(_stretches(seen, looked)), turns)


def _turn(row: str, kernels: tuple[str, str], seen: tuple[Sight, Sight]) -> Turn:
    versions = (release.parse(kernels[0]), release.parse(kernels[1]))
    return Turn(row, kernels, seen, explain(row, versions, seen))


def _stretches(seen: Mapping[str, Sight], looked: Sequence[str]) -> Iterator[Stretch]:
    first = 0
    for place, kernel in enumerate(looked):
        is_last = place + 1 == len(looked)
        if is_last or seen[looked[place + 1]].told != seen[kernel].told:
            yield Stretch(looked[first], kernel, seen[kernel].told)
            first = place + 1
