# SPDX-License-Identifier: Apache-2.0
"""The page docs/lineage.md: each entry with a kernel on each side of it, and how it was seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from hotremove.analysis.atlas.atlas import Atlas, Turn
from hotremove.analysis.atlas.patched import patched_in, patched_turns
from hotremove.analysis.atlas.shown import Showing, showings
from hotremove.analysis.history import FiledRun
from hotremove.formats.atlas_page import Origin
from hotremove.formats.markdown import rows_of
from hotremove.lineage.changes import Change, changes

_HEAD = ["entry", "rows", "kernel before", "kernel after", "seen", "by"]
_NOBODY = "nothing shows it"
_FAULTS = "docs/faults-of-kernels.md"
_ANY = "any"


def render_table(atlas: Atlas, origin: Origin, runs: Sequence[FiledRun]) -> str:
    """The page: what each entry does, and the table."""
    return "\n".join(_lines(atlas, origin, runs)) + "\n"


def _lines(atlas: Atlas, origin: Origin, runs: Sequence[FiledRun]) -> Iterator[str]:
    yield "<!-- SPDX-License-Identifier: Apache-2.0 -->"
    yield "# The lineage, shown\n"
    yield "Upstream changes that decide how rows of [scenarios.md](scenarios.md) end, and kernels"
    yield "on both sides of them. What a release has follows from its number alone: the first point"
    yield "release of its series that took the change, else mainline's.\n"
    yield "Where the archive has no kernel of one side, one is made by a patch of `tests/lineage/`."
    yield "It gives a kernel the bug of one entry, or takes it away.\n"
    yield f"{origin}\n"
    yield "## Kernels on each side\n"
    by_number = {run.number: run for run in runs}
    yield from rows_of([_HEAD, *_merged(showings(atlas, patched_turns(runs)), by_number)])
    yield "\n## The entries\n"
    yield from rows_of([["entry", "in", "does", "read in"], *map(_entry, changes())])


def _merged(found: Iterable[Showing], runs: Mapping[int, FiledRun]) -> Iterator[list[str]]:
    """A line for each entry and pair of kernels; rows that change alike share it."""
    rows: dict[tuple[str, ...], dict[str, None]] = {}
    for one in found:
        for cells in _cells(one, runs):
            rows.setdefault((str(one.change), *cells), {})[str(one.row or _ANY)] = None
    yield from ([entry, ", ".join(numbers), *cells] for (entry, *cells), numbers in rows.items())


def _cells(one: Showing, runs: Mapping[int, FiledRun]) -> Iterator[tuple[str, ...]]:
    yield from (_told(turn, runs) for turn in one.turns)
    if not one.turns:
        fault = one.change.fault
        by = f"the fault {fault} does the same: {_FAULTS}" if fault else _NOBODY
        yield "none", "none", f"not seen: {one.reason}", by


def _told(turn: Turn, runs: Mapping[int, FiledRun]) -> tuple[str, ...]:
    """What the kernels of both sides did, when that was last seen, and what shows it again."""
    pairs = zip(turn.kernels, turn.seen, strict=True)
    days = (runs[sight.run].record.started[:10] for sight in turn.seen)
    kernels = " ".join(f"--kernel {sight.spec}" for sight in turn.seen)
    # Of a patched kernel its release foretells too much, or too little.
    expected = "strict" if any(patched_in(sight.spec) for sight in turn.seen) else "lineage"
    return (
        *(f"{kernel}: {sight.told}" for kernel, sight in pairs),
        max(days),
        f"./lab hotremove --expect {expected} {kernels}",
    )


def _entry(change: Change) -> list[str]:
    since = ", ".join((change.mainline, *change.stable))
    read = change.read or "mainline's log"
    return [f"{change.hash} {change.subject}", since, change.behaviour, read]
