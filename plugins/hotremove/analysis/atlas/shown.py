# SPDX-License-Identifier: Apache-2.0
"""Which entries of the lineage have been seen to decide a row, on a kernel of each side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hotremove.analysis.atlas.atlas import Atlas, Turn
from hotremove.kernels.offers.offer import Offer
from hotremove.lineage import release
from hotremove.lineage.changes import Change, Lineage, changes
from hotremove.results.naming import row_order

# Kernels that a reason names.
_MOST = 3


@dataclass(frozen=True)
class Showing:
    """An entry and a row that it decides.

    Attributes:
        change: the entry.
        row: the row's number; 0 stands for all that it spoils.
        turns: where the row changed for it; none where nobody has seen that.
        reason: why nobody has.
    """

    change: Change
    row: int
    turns: tuple[Turn, ...] = ()
    reason: str = ""


def showings(atlas: Atlas, patched: Sequence[Turn] = ()) -> Iterator[Showing]:
    """Each entry of the lineage with each row that it decides, in the lineage's order.

    `patched`: rows that a patch has end otherwise, which count where no two releases show it.
    """
    for change in changes():
        for row in sorted(change.rows):
            turns = tuple(_turns(atlas, change, row)) or tuple(_patched(patched, change, row))
            reason = "" if turns else _reason(atlas, change, row)
            yield Showing(change, row, turns, reason)
        if change.anywhere:
            spoilt = tuple(turn for row in atlas.rows for turn in row.turns if _is_by(turn, change))
            yield Showing(change, 0, spoilt, "" if spoilt else "no row was spoilt")


def _turns(atlas: Atlas, change: Change, row: int) -> Iterator[Turn]:
    for one in atlas.rows:
        if row_order(one.row)[0] == row:
            yield from (turn for turn in one.turns if _tells(turn, change))


def _patched(turns: Iterable[Turn], change: Change, row: int) -> Iterator[Turn]:
    of_row = (turn for turn in turns if row_order(turn.row)[0] == row)
    return (turn for turn in of_row if change in turn.why.changes)


def _tells(turn: Turn, change: Change) -> bool:
    """Whether a change of a row is by an entry, or by what mends it."""
    hashes = {one.hash for one in turn.why.changes}
    return change.hash in hashes or (bool(change.until) and change.until in hashes)


def _is_by(turn: Turn, change: Change) -> bool:
    return any(sight.spoiler is change for sight in turn.seen) and change in turn.why.changes


def _reason(atlas: Atlas, change: Change, row: int) -> str:
    """Why no pair of kernels shows it, and which kernels might."""
    told = [_why(atlas, change, row), *_blind(atlas, row), *_elsewhere(atlas, change, row)]
    return "; ".join(told)


def _why(atlas: Atlas, change: Change, row: int) -> str:
    looked = [kernel for kernel in atlas.kernels if _is_looked_at(atlas, kernel, row)]
    if not looked:
        return "no kernel was looked at"
    sides = {kernel: _is_affected(change, release.parse(kernel)) for kernel in looked}
    if len(set(sides.values())) == 2:
        return _why_alike(change, row, [kernel for kernel in looked if not sides[kernel]])
    word = "with" if sides[looked[0]] else "without"
    what = "it" if row in change.shows else "the bug"
    return f"all kernels that were looked at are {word} {what}"


def _blind(atlas: Atlas, row: int) -> Iterator[str]:
    """Kernels on which the row could not be looked at for want of headers."""
    blind = [
        kernel
        for kernel in atlas.kernels
        if not _is_looked_at(atlas, kernel, row)
        if any(row_order(name)[0] == row for name in atlas.no_headers.get(kernel, ()))
    ]
    if blind:
        yield f"needs modules, and there are no headers of {_some(blind)}"


def _elsewhere(atlas: Atlas, change: Change, row: int) -> Iterator[str]:
    """What the archive has of kernels of the side that nobody has looked at."""
    looked = [kernel for kernel in atlas.kernels if _is_looked_at(atlas, kernel, row)]
    sides = {_is_affected(change, release.parse(kernel)) for kernel in looked}
    if len(sides) == 2 or not (atlas.waiting or atlas.gone):
        return
    lists = ("not run yet", atlas.waiting), ("gone from the archive in part", atlas.gone)
    found = [(word, _others(offers, change, sides)) for word, offers in lists]
    yield from (f"{word}: {_some(names)}" for word, names in found if names)
    if not any(names for _, names in found):
        yield "the archive has no kernel of the other side"


def _others(offers: Iterable[Offer], change: Change, sides: set[bool]) -> list[str]:
    """Specs of the kernels that are on none of these sides."""
    sided = ((one.spec, _is_affected(change, release.parse(one.version))) for one in offers)
    return [spec for spec, affected in sided if affected not in sides]


def _some(names: list[str]) -> str:
    """The first few of them."""
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more


def _why_alike(change: Change, row: int, whole: list[str]) -> str:
    """Why a row does not come out otherwise on kernels on which this entry does not spoil it."""
    bugs = [Lineage(release.parse(kernel)).known_bugs(row) for kernel in whole]
    others = {bug.hash for found in bugs for bug in found if bug is not change}
    if others:
        return f"where it is whole the row fails for {', '.join(sorted(others))}"
    return "the kernels of both sides come out alike"


def _is_looked_at(atlas: Atlas, kernel: str, row: int) -> bool:
    sights = (one.seen.get(kernel) for one in atlas.rows if row_order(one.row)[0] == row)
    return any(sight.says_something for sight in sights if sight)


def _is_affected(change: Change, version: release.Version) -> bool:
    """Whether a kernel has the bug that an entry is about; or, of others, the change itself."""
    if change.mends:
        return not change.is_in(version)
    return change.is_in(version) and not (change.breaks and Lineage(version).has_mended(change))
