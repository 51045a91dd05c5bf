# SPDX-License-Identifier: Apache-2.0
"""The run as Markdown, for a mail or a merge request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from hotremove.analysis import coverage
from hotremove.analysis.first import MOST, caption, things
from hotremove.analysis.news import News
from hotremove.analysis.summary import table, tally
from hotremove.pincost import figures
from hotremove.results.naming import costs_by_kernel
from hotremove.results.record import Record
from hotremove.results.text import one_line

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


def escaped(text: str) -> str:
    """One line that Markdown shows as it is."""
    return _SPECIAL.sub(r"\\\1", one_line(text))


def render(record: Record, news: News | None = None) -> str:
    """The record as Markdown: tally, what to look at first, what is new, table, environment."""
    return "\n".join(_lines(record, news)) + "\n"


def rows_of(cells: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table; the first row is its head."""
    for number, row in enumerate(cells):
        yield f"| {' | '.join(map(escaped, row))} |"
        if number == 0:
            yield f"|{'---|' * len(row)}"


def _lines(record: Record, news: News | None) -> Iterator[str]:
    yield "# Memory hot-remove: results"
    yield ""
    for line in coverage.lines(record):
        yield f"**{escaped(line)}**\n"
    yield escaped(tally(record.results))
    yield from _first(record, news)
    yield from _news(news)
    yield "\n## Kernels by scenarios\n"
    yield from rows_of([[text for text, _ in row] for row in table(record.results)])
    if rows := figures.table(costs_by_kernel(record.results)):
        yield "\n## Pin costs\n"
        yield from rows_of(rows)
    if record.environment:
        yield "\n## Environment\n"
        yield from (f"- {escaped(k)}: {escaped(v)}" for k, v in record.environment.items())
    if record.started:
        yield f"- started: {escaped(record.started)}"


def _first(record: Record, news: News | None) -> Iterator[str]:
    found = things(record.results, news.worse if news else None)
    if found:
        yield f"\n## {caption(found).capitalize()}"
    for number, thing in enumerate(found[:MOST], start=1):
        yield f"\n{number}. **{escaped(thing.heading)}**  \n   {escaped(thing.message)}"


def _news(news: News | None) -> Iterator[str]:
    if news is None:
        return
    yield f"\n## {escaped(news.since.capitalize())}: {news.summary}\n"
    for heading, found in news.told:
        for one in found:
            told = f"{heading}: {one.row}, {one.kernels[1]}: {one.before}, now {one.after}"
            yield f"- {escaped(told)}"
