# SPDX-License-Identifier: Apache-2.0
"""All runs on one HTML page, as self-contained as a run's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from hotremove.analysis.history import FiledRun
from hotremove.analysis.runs import Trend, trends, wavering
from hotremove.analysis.summary import GRAVITY, tally
from hotremove.formats.matrix import entries_of
from hotremove.formats.pages import template
from hotremove.lineage import release
from hotremove.lineage.changes import Change
from hotremove.results.naming import row_order
from hotremove.results.record import Result
from hotremove.verdict.verdict import BAD

# Of a cell's title; a run's own page has the whole message.
_LONGEST = 160
# With more kernels than this, tables are closed at first.
_MOST_OPEN = 3


@dataclass(frozen=True)
class Table:
    """A kernel spec's rows over the runs that have it, the newest first.

    Attributes:
        kernel: the spec.
        runs: those runs.
        rows: its tests.
        told: the verdicts of its latest run, counted.
        is_open: whether it is shown at once.
    """

    kernel: str
    runs: tuple[FiledRun, ...]
    rows: tuple[Trend, ...]
    told: str
    is_open: bool

    @property
    def folded(self) -> int:
        """How many rows agree over all its runs."""
        return sum(agrees(row) for row in self.rows)


def render(runs: Sequence[FiledRun]) -> str:
    """The page: a table a kernel spec with a column for each of its runs, the newest first."""
    newest_first = list(reversed(runs))
    tables = list(_tables(newest_first))
    return template("history.html").render(
        runs=newest_first,
        tallies=[tally(run.record.results) for run in newest_first],
        tables=tables,
        rows=_explained(tables),
        verdicts=_verdicts(tables),
        folded=sum(table.folded for table in tables),
        wavering=wavering(runs),
        agrees=agrees,
        classes=classes,
        title=title,
    )


def agrees(trend: Trend) -> bool:
    """Whether a test came out alike in several runs, and not badly."""
    ends = {(one.verdict, one.outcome, one.flaky) if one else None for one in trend.results}
    bad = any(one.verdict in BAD for one in trend.results if one)
    return len(trend.results) > 1 and len(ends) == 1 and not bad


def classes(trend: Trend) -> str:
    """What style sheets pick a row by."""
    verdicts = dict.fromkeys(one.verdict for one in trend.results if one)
    words = [f"has-{verdict}" for verdict in verdicts]
    return " ".join([*words, *(["same"] if agrees(trend) else [])])


def title(result: Result) -> str:
    """All of a cell in words."""
    why = result.message.partition("\n")[0] or result.outcome
    return f"{result.kernel_version}, {result.duration_s:.1f} s: {why}"[:_LONGEST]


def _tables(newest_first: Sequence[FiledRun]) -> Iterator[Table]:
    everything = sorted(trends(newest_first), key=lambda trend: row_order(trend.row))
    by_kernel: dict[str, list[Trend]] = {}
    for trend in everything:
        by_kernel.setdefault(trend.kernel, []).append(trend)
    is_open = len(by_kernel) <= _MOST_OPEN
    for kernel, rows in sorted(by_kernel.items(), key=_version, reverse=True):
        there = [n for n in range(len(newest_first)) if any(row.results[n] for row in rows)]
        some = tuple(replace(row, results=tuple(row.results[n] for n in there)) for row in rows)
        latest = [one for row in some if (one := row.results[0])]
        runs = tuple(newest_first[n] for n in there)
        yield Table(kernel, runs, some, tally(latest), is_open)


def _version(table: tuple[str, Sequence[Trend]]) -> tuple[object, ...]:
    """What tables are sorted by: the kernel of a spec's latest run."""
    latest = next((one for row in table[1] for one in row.results if one), None)
    return release.order(latest.kernel_version if latest else "")


def _explained(tables: Iterable[Table]) -> Mapping[str, tuple[str, tuple[Change, ...]]]:
    """Each row's anchor, and the entries of the lineage that decide it."""
    names = sorted({row.row for table in tables for row in table.rows}, key=row_order)
    return {name: (f"r{n}", entries_of(name)) for n, name in enumerate(names, start=1)}


def _verdicts(tables: Iterable[Table]) -> Mapping[str, int]:
    """How many cells have each verdict, gravest first; nothing where all have the same."""
    counts = Counter(
        one.verdict for table in tables for row in table.rows for one in row.results if one
    )
    found = {str(verdict): counts[verdict] for verdict in GRAVITY if counts[verdict]}
    return found if len(found) > 1 else {}
