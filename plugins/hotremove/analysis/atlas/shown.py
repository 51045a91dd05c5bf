# SPDX-License-Identifier: Apache-2.0
"""Which entries of the lineage have been seen to decide a row, on a kernel of each side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hotremove.analysis.atlas.atlas import Atlas, Turn
from hotremove.lineage import release
from hotremove.lineage.changes import Change, changes
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
    looked = [
        kernel
        for kernel in atlas.kernels
        if any(
            kernel in one.seen and one.seen[kernel].says_something
            for one in atlas.rows
            if row_order(one.row)[0] == row
        )
    ]
    if not looked:
        return "no kernel was looked at"
    sides = {_affected(change, kernel) for kernel in looked}
    if len(sides) == 2:
        return "the kernels of both sides come out alike"
    word = "with" if True in sides else "without"
    what = "the bug" if change.breaks else "it"
    return f"all kernels that were looked at are {word} {what}"


def _affected(change: Change, kernel: str) -> bool:
    """Whether a kernel has what an entry brings: the change, or the bug that it brought."""
    version = release.parse(kernel)
    if not change.breaks:
        return change.is_in(version)
    return change.is_in(version) and not _is_mended(change, version)


def _is_mended(change: Change, version: release.Version) -> bool:
    mends = (one for one in changes() if one.hash == change.until)
    return change.is_mended_in(version) or any(one.is_in(version) for one in mends)
