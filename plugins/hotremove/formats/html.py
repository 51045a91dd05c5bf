# SPDX-License-Identifier: Apache-2.0
"""The run as one HTML file that needs nothing else: no network, no script, no other file.

The template escapes everything (a guest can print `<script>`), and the page's own policy forbids
whatever would slip through to load or run anything.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hotremove.analysis import coverage
from hotremove.analysis.summary import GRAVITY, cell, noticed, tally, things_to_see, verdicts
from hotremove.formats.excerpt import Line, excerpt
from hotremove.formats.pages import template
from hotremove.formats.picture import Bar, draw
from hotremove.observe.kernellog.report import Report
from hotremove.observe.pagedump import PageDump
from hotremove.pincost import figures
from hotremove.pincost.plot import draw as draw_costs
from hotremove.results.case import Attempt, Case
from hotremove.results.naming import costs_by_kernel, kernel_names, row_order, title
from hotremove.results.record import Result
from hotremove.results.source import Source
from hotremove.verdict.verdict import BAD, Verdict

_MOST_DUMPS = 5
_PICTURE_BYTES = 2 << 20
# Lines of the log's end that are shown of a good test, and of another.
_TAIL = {True: 40, False: 400}
# What tells whether pages moved; other counters that changed are a click away.
_ALWAYS = ("nr_foll_pin_acquired", "nr_foll_pin_released", "pgmigrate_success", "pgmigrate_fail")
_TELLING = (
    "nr_isolated_anon",
    "nr_isolated_file",
    "thp_migration_success",
    "thp_migration_fail",
    "thp_migration_split",
)


@dataclass(frozen=True)
class Cell:
    """A cell of the matrix: what it says, how it is coloured, and where it leads."""

    text: str
    verdict: str
    anchor: str


@dataclass(frozen=True)
class Row:
    """A scenario over all kernels; `proof` says how many of its runs with a fault noticed it."""

    name: str
    cells: tuple[Cell | None, ...]
    proof: tuple[str, str]


@dataclass(frozen=True)
class Held:
    """Dumped pages that are held alike, and what holds them."""

    told: str
    dumps: tuple[PageDump, ...]

    @property
    def shown(self) -> tuple[PageDump, ...]:
        """Those that are named."""
        return self.dumps[:_MOST_DUMPS]

    @property
    def left_out(self) -> int:
        """How many are not."""
        return len(self.dumps) - len(self.shown)


@dataclass(frozen=True)
class View:
    """One test as it is shown; `anchor` is its place on the page."""

    anchor: str
    case: Case

    @property
    def result(self) -> Result:
        """What the test said."""
        return self.case.result

    @property
    def title(self) -> str:
        """The scenario with all it was run over."""
        return title(self.result)

    @property
    def is_bad(self) -> bool:
        """Whether somebody has to look at it."""
        return self.result.verdict in BAD

    @property
    def bars(self) -> tuple[Bar, ...]:
        """Its timeline."""
        return draw(self.case.timeline)

    @property
    def reports(self) -> list[tuple[Report, int]]:
        """The first of each kind of report, and how often it came."""
        counts = Counter(report.fingerprint for report in self.case.reports)
        first = {report.fingerprint: report for report in reversed(self.case.reports)}
        by_place = sorted(first.values(), key=lambda report: report.start)
        return [(report, counts[report.fingerprint]) for report in by_place]

    @property
    def dumps(self) -> list[Held]:
        """What holds the dumped pages; pages that are held alike are told together."""
        alike: dict[str, list[PageDump]] = {}
        for page in self.case.pages:
            unnamed = replace(page, dump=replace(page.dump, pfn=None))
            alike.setdefault(unnamed.explanation, []).append(page.dump)
        return [Held(told, tuple(dumps)) for told, dumps in alike.items()][-_MOST_DUMPS:]

    @property
    def log(self) -> list[Line]:
        """What is shown of the kernel's messages."""
        good = not self.is_bad and self.result.verdict != Verdict.KNOWN_BUG
        wanted = [dump.start for held in self.dumps for dump in held.shown]
        return excerpt(self.case.log, self.case.reports, wanted, _TAIL[good])

    @property
    def pictures(self) -> tuple[tuple[str, str], ...]:
        """Names and contents, as data URLs, of the plots it left."""
        small = (p for p in self.case.pictures if p.stat().st_size <= _PICTURE_BYTES)
        return tuple((path.stem, _data_url(path.read_bytes())) for path in small)


def render(source: Source) -> str:
    """The whole page.

    Raises:
        DataProblem: evidence is not what the farm writes.
    """
    views = [View(f"t{number}", case) for number, case in enumerate(source.cases, start=1)]
    results = [view.result for view in views]
    return template("report.html").render(
        record=source.record,
        tally=tally(results),
        kernels=list(kernel_names(results).values()),
        coverage=coverage.lines(source.record),
        rows=matrix(views),
        proved=any(result.fault for result in results),
        first=first_to_see(views),
        views=views,
        costs=figures.table(costs_by_kernel(results)),
        cost_plot=_cost_plot(results),
        telling=telling,
        others=others,
        verdicts=verdicts,
    )


def matrix(views: Sequence[View]) -> list[Row]:
    """Kernels by scenarios; each cell leads to its gravest test."""
    rows = sorted(dict.fromkeys(view.result.row for view in views), key=row_order)
    kernels = kernel_names(view.result for view in views)
    return [
        Row(name, tuple(_cell(views, name, kernel) for kernel in kernels), _proof(views, name))
        for name in rows
    ]


def first_to_see(views: Sequence[View]) -> list[tuple[View, int]]:
    """The gravest tests with different causes, and how many more are alike."""
    by_result = {id(view.result): view for view in views}
    things = things_to_see(view.result for view in views)
    return [(by_result[id(first)], len(alike)) for first, *alike in things]


def telling(attempt: Attempt) -> list[Any]:
    """The counters that tell whether pages moved; of the rarer ones those that say something."""
    return [
        one
        for one in attempt.counted
        if one.name in _ALWAYS or (one.name in _TELLING and (one.before or one.after))
    ]


def others(attempt: Attempt) -> list[Any]:
    """The other counters that changed."""
    known = (*_ALWAYS, *_TELLING)
    return [one for one in attempt.counted if one.change and one.name not in known]


def _cell(views: Sequence[View], row: str, kernel: str) -> Cell | None:
    here = [
        view
        for view in views
        if (view.result.row, view.result.kernel) == (row, kernel) and not view.result.fault
    ]
    if not here:
        return None
    worst = min(here, key=_gravity)
    return Cell(cell([view.result for view in here])[0], worst.result.verdict, worst.anchor)


def _proof(views: Sequence[View], row: str) -> tuple[str, str]:
    return noticed([v.result for v in views if v.result.fault and v.result.row == row])


def _gravity(view: View) -> int:
    return GRAVITY.index(Verdict(view.result.verdict))


def _cost_plot(results: Sequence[Result]) -> str:
    """What pins cost, as a data URL; empty when nothing was measured."""
    picture = draw_costs(figures.series_of(costs_by_kernel(results)), "svg")
    return _data_url(picture, "svg+xml") if picture else ""


def _data_url(picture: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
