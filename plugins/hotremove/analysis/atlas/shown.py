# SPDX-License-Identifier: Apache-2.0
"""Which entries of the lineage have been seen to decide a row, on a kernel of each side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hotremove.analysis.atlas.atlas import Atlas, Turn
from hotremove.lineage import release
from hotremove.lineage.changes import Change, Lineage, changes
from hotremove.results.naming import row_order


@dataclass(frozen=True)
class Showing:
    """An entry and a row that it decides.

    Attributes:
        change: the entry.
        row: the row's number.
        turns: where the row changed for it; none where nobody has seen that.
        reason: why nobody has.
    """

    change: Change
    row: int
    turns: tuple[Turn, ...] = ()
    reason: str = ""


def showings(atlas: Atlas) -> Iterator[Showing]:
    """Each entry of the lineage with each row that it decides, in the lineage's order."""
    for change in changes():
        for row in sorted({*change.mends, *change.breaks, *change.shows}):
            turns = tuple(_turns(atlas, change, row))
            reason = "" if turns else _reason(atlas, change, row)
            yield Showing(change, row, turns, reason)


def _turns(atlas: Atlas, change: Change, row: int) -> Iterator[Turn]:
    for one in atlas.rows:
        if row_order(one.row)[0] == row:
            yield from (turn for turn in one.turns if _tells(turn, change))


def _tells(turn: Turn, change: Change) -> bool:
    """Whether a change of a row is by an entry, or by what mends it."""
    hashes = {one.hash for one in turn.why.changes}
    return change.hash in hashes or (bool(change.until) and change.until in hashes)


def _reason(atlas: Atlas, change: Change, row: int) -> str:
    """Why no pair of kernels shows it."""
    looked = [kernel for kernel in atlas.kernels if _is_looked_at(atlas, kernel, row)]
    if not looked:
        return "no kernel was looked at"
    sides = {kernel: _is_affected(change, release.parse(kernel)) for kernel in looked}
    if len(set(sides.values())) == 2:
        return _why_alike(change, row, [kernel for kernel in looked if not sides[kernel]])
    word = "with" if sides[looked[0]] else "without"
    what = "it" if row in change.shows else "the bug"
    return f"all kernels that were looked at are {word} {what}"


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
