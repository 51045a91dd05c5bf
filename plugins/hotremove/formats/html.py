# SPDX-License-Identifier: Apache-2.0
"""The run as HTML that needs nothing else: no network, no script; of many results, in some files.

The template escapes everything (a guest can print `<script>`), and the page's own policy forbids
whatever would slip through to load or run anything. Details of many tests would make one page too
large to open: then each kernel's are in a file of their own, beside the page that leads to them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hotremove.analysis import coverage
from hotremove.analysis.first import MOST, caption
from hotremove.analysis.news import News
from hotremove.analysis.summary import tally, verdicts
from hotremove.analysis.timing import by_span, by_test, worth_telling
from hotremove.formats.matrix import Test, matrix
from hotremove.formats.pages import template
from hotremove.formats.red import red_cells, to_see
from hotremove.formats.view import View, data_url
from hotremove.pincost import figures
from hotremove.pincost.plot import draw as draw_costs
from hotremove.results.case import Attempt
from hotremove.results.naming import costs_by_kernel, kernel_names
from hotremove.results.record import Result
from hotremove.results.source import Source

MOST_INSIDE = 500
"""Results whose details are on the page itself; with more, each kernel has a file of its own."""

# Of many kernels' coverage, and of tests that came out otherwise; the rest is a click away.
_MOST_LINES = 5
_MOST_ROWS = 10
# Tests that are named as those which took longest.
_LONGEST = 10
# What tells whether pages moved; other counters that changed are a click away.
_ALWAYS = ("nr_foll_pin_acquired", "nr_foll_pin_released", "pgmigrate_success", "pgmigrate_fail")
_TELLING = (
    "nr_isolated_anon",
    "nr_isolated_file",
    "thp_migration_success",
    "thp_migration_fail",
    "thp_migration_split",
)


def render(source: Source, news: News | None = None) -> str:
    """All of it in one page, however large.

    Raises:
        DataProblem: evidence is not what the farm writes.
    """
    return _page(source, _views(source), news)


def render_apart(source: Source, name: str, news: News | None = None) -> dict[str, str]:
    """The page by the name it is written to, and what it leads to, by paths from its folder.

    Raises:
        DataProblem: evidence is not what the farm writes.
    """
    results = source.record.results
    if len(results) <= MOST_INSIDE:
        return {name: render(source, news)}
    folder = f"{name.removesuffix('.html')}-tests"
    files = _files(results, folder)
    views = _views(source, files)
    pages = {
        path: _kernel_page([view for view in views if view.result.kernel == spec], name)
        for spec, path in files.items()
    }
    return {name: _page(source, views, news), **pages}


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


def _page(source: Source, views: Sequence[View], news: News | None) -> str:
    results = [view.result for view in views]
    found = to_see(views, news)
    return template("report.html").render(
        record=source.record,
        tally=tally(results),
        is_red=any(view.is_bad for view in views),
        coverage=coverage.lines(source.record),
        most_lines=_MOST_LINES,
        most_rows=_MOST_ROWS,
        matrix=matrix([Test(view.result, view.link) for view in views]),
        first=found[:MOST],
        caption=caption([thing for _, thing in found]) if found else "",
        news=news,
        red=red_cells([thing for _, thing in found], views),
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
    return data_url(picture, "svg+xml") if picture else ""
