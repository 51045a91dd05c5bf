# SPDX-License-Identifier: Apache-2.0
"""The page docs/lineage.md: each entry with a kernel on each side of it, and how it was seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hotremove.analysis.atlas.atlas import Atlas, Turn
from hotremove.analysis.atlas.shown import Showing, showings
from hotremove.analysis.history import FiledRun
from hotremove.formats.atlas_page import Origin
from hotremove.formats.markdown import rows_of
from hotremove.lineage.changes import Change, changes

_HEAD = ["entry", "row", "kernel before", "kernel after", "seen", "by"]
_ELSEWHERE = "see the atlas"


def render_table(atlas: Atlas, origin: Origin, runs: Sequence[FiledRun]) -> str:
    """The page: what each entry does, and the table."""
    return "\n".join(_lines(atlas, origin, runs)) + "\n"


def _lines(atlas: Atlas, origin: Origin, runs: Sequence[FiledRun]) -> Iterator[str]:
    yield "<!-- SPDX-License-Identifier: Apache-2.0 -->"
    yield "# The lineage, shown\n"
    yield "Upstream changes that decide how rows of [scenarios.md](scenarios.md) end, and kernels"
    yield "on both sides of them. What a release has follows from its number alone: the first point"
    yield "release of its series that took the change, else mainline's.\n"
    yield f"{origin}\n"
    yield "## Kernels on each side\n"
    by_number = {run.number: run for run in runs}
    cells = [row for one in showings(atlas) for row in _rows(one, by_number)]
    yield from rows_of([_HEAD, *cells])
    yield "\n## The entries\n"
    yield from rows_of([["entry", "in", "does", "read in"], *map(_entry, changes())])


def _rows(one: Showing, runs: Mapping[int, FiledRun]) -> Iterator[list[str]]:
    """A line for each pair of kernels; variants of a row that change alike share it."""
    name, row = str(one.change), str(one.row)
    if not one.turns:
        yield [name, row, "none", "none", f"not seen: {one.reason}", _ELSEWHERE]
    told = {_told(turn, runs): None for turn in one.turns}
    yield from ([name, row, *cells] for cells in told)


def _told(turn: Turn, runs: Mapping[int, FiledRun]) -> tuple[str, ...]:
    pairs = zip(turn.kernels, turn.seen, strict=True)
    run = runs[turn.seen[1].run]
    return (
        *(f"{kernel}: {sight.told}" for kernel, sight in pairs),
        run.record.started[:10],
        run.record.environment.get("command", run.name),
    )


def _entry(change: Change) -> list[str]:
    since = ", ".join((change.mainline, *change.stable))
    read = change.read or "mainline's log"
    return [f"{change.hash} {change.subject}", since, change.behaviour, read]
