# SPDX-License-Identifier: Apache-2.0
"""The run as HTML that needs nothing else: no network, no script; of many results, in some files.

The template escapes everything (a guest can print `<script>`), and the page's own policy forbids
whatever would slip through to load or run anything. Details of many tests would make one page too
large to open: then each kernel's are in a file of their own, beside the page that leads to them.
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from hotremove.analysis import coverage
from hotremove.analysis.summary import tally, things_to_see, verdicts
from hotremove.analysis.timing import by_span, by_test, worth_telling
from hotremove.formats.excerpt import Line, excerpt
from hotremove.formats.matrix import Test, matrix
from hotremove.formats.pages import template
from hotremove.formats.picture import Bar, draw
from hotremove.observe.kernellog.report import Report
from hotremove.observe.pagedump import PageDump
from hotremove.pincost import figures
from hotremove.pincost.plot import draw as draw_costs
from hotremove.results.case import Attempt, Case
from hotremove.results.naming import costs_by_kernel, kernel_names, title
from hotremove.results.record import Result
from hotremove.results.source import Source
from hotremove.verdict.verdict import BAD, Verdict

MOST_INSIDE = 500
"""Results whose details are on the page itself; with more, each kernel has a file of its own."""

_MOST_DUMPS = 5
# Tests that are named as those which took longest.
_LONGEST = 10
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
    """One test as it is shown; `anchor` is its place on the page, or in the `file` beside it."""

    anchor: str
    case: Case
    file: str = ""

    @property
    def link(self) -> str:
        """Where the page leads to for it."""
        return f"{quote(self.file)}#{self.anchor}"

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
    """All of it in one page, however large.

    Raises:
        DataProblem: evidence is not what the farm writes.
    """
    return _page(source, _views(source))


def render_apart(source: Source, name: str) -> dict[str, str]:
    """The page by the name it is written to, and what it leads to, by paths from its folder.

    Raises:
        DataProblem: evidence is not what the farm writes.
    """
    results = source.record.results
    if len(results) <= MOST_INSIDE:
        return {name: render(source)}
    folder = f"{name.removesuffix('.html')}-tests"
    files = _files(results, folder)
    views = _views(source, files)
    pages = {
        path: _kernel_page([view for view in views if view.result.kernel == spec], name)
        for spec, path in files.items()
    }
    return {name: _page(source, views), **pages}


def _views(source: Source, files: Mapping[str, str] | None = None) -> list[View]:
    """The tests; those whose details are in other files know in which."""
    where = files or {}
    return [
        View(f"t{number}", case, where.get(case.result.kernel, ""))
        for number, case in enumerate(source.cases, start=1)
    ]


def _files(results: Iterable[Result], folder: str) -> dict[str, str]:
    """A file for each kernel, by its spec."""
    names = enumerate(kernel_names(results).items(), start=1)
    return {
        spec: f"{folder}/{number}-{re.sub(r'[^A-Za-z0-9.+~-]+', '-', name)[:60]}.html"
        for number, (spec, name) in names
    }


def _page(source: Source, views: Sequence[View]) -> str:
    results = [view.result for view in views]
    return template("report.html").render(
        record=source.record,
        tally=tally(results),
        coverage=coverage.lines(source.record),
        matrix=matrix([Test(view.result, view.link) for view in views]),
        first=first_to_see(views),
        views=[view for view in views if not view.file],
        costs=figures.table(costs_by_kernel(results)),
        cost_plot=_cost_plot(results),
        spans=worth_telling(by_span(source.cases)),
        longest=by_test(source.cases)[:_LONGEST],
        telling=telling,
        others=others,
        verdicts=verdicts,
    )


def _kernel_page(views: Sequence[View], back: str) -> str:
    """The details of one kernel's tests."""
    results = [view.result for view in views]
    return template("kernel.html").render(
        kernel=next(iter(kernel_names(results).values())),
        tally=tally(results),
        views=views,
        back=back,
        telling=telling,
        others=others,
    )


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


def _cost_plot(results: Sequence[Result]) -> str:
    """What pins cost, as a data URL; empty when nothing was measured."""
    picture = draw_costs(figures.series_of(costs_by_kernel(results)), "svg")
    return _data_url(picture, "svg+xml") if picture else ""


def _data_url(picture: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
