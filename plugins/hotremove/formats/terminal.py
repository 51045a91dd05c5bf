# SPDX-License-Identifier: Apache-2.0
"""A run at a glance, as a terminal shows it: what was looked at, and what to look at first."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hotremove.analysis import coverage
from hotremove.analysis.first import MOST, caption, things
from hotremove.analysis.folding import folded
from hotremove.analysis.news import News
from hotremove.analysis.summary import Look, Piece, recorded, table, tally
from hotremove.formats.layout import laid_out
from hotremove.pincost import figures
from hotremove.results.naming import costs_by_kernel, kernel_names
from hotremove.results.record import Record
from hotremove.results.text import one_line

Line = Sequence[Piece]
ENDLESS = 1 << 20
"""Columns of what is no terminal: a log, in which each row is one line, to be searched."""
# Of those that came out otherwise, so many are named.
_SHOWN = 5


@dataclass(frozen=True)
class Glance:
    """What is shown, and on what.

    Attributes:
        record: the run.
        columns: how wide the terminal is, in characters.
        news: what is new since the last run; None where nobody knows.
        folds: whether rows and kernels that agree are told once.
    """

    record: Record
    columns: int = ENDLESS
    news: News | None = None
    folds: bool = True

    def wrapped(self, text: str, indent: str = "", look: Look = Look.PLAIN) -> Iterator[Line]:
        """A text in lines; all but the first are further in."""
        for line in textwrap.wrap(
            one_line(text),
            max(self.columns - 1, len(indent) + 20),
            initial_indent=indent,
            subsequent_indent=indent or "  ",
            break_on_hyphens=False,
            break_long_words=False,
        ):
            yield [(line, look)]


def lines(glance: Glance) -> Iterator[Line]:
    """All of it. What is to be looked at comes last: it stays on the screen."""
    for section in SECTIONS:
        found = list(section(glance))
        yield from found
        if found and section is not _coverage:
            yield []
    yield from glance.wrapped(tally(glance.record.results))


def _coverage(glance: Glance) -> Iterator[Line]:
    for line in coverage.lines(glance.record):
        yield from glance.wrapped(line, look=Look.HEAD)


def _matrix(glance: Glance) -> Iterator[Line]:
    results = glance.record.results
    rows = [[(one_line(text), look) for text, look in row] for row in table(results)]
    if glance.folds:
        rows = folded(rows, len(kernel_names(results)))
    yield from laid_out(rows, glance.columns)


def _recorded(glance: Glance) -> Iterator[Line]:
    """What scenarios recorded that accept more than one answer."""
    found = recorded(glance.record.results)
    if found:
        yield [("recorded", Look.HEAD)]
    for line in found:
        yield from glance.wrapped(line, "  ")


def _costs(glance: Glance) -> Iterator[Line]:
    for line in figures.lines(costs_by_kernel(glance.record.results)):
        yield from glance.wrapped(line)


def _news(glance: Glance) -> Iterator[Line]:
    if glance.news is None:
        return
    yield from glance.wrapped(f"{glance.news.since}: {glance.news.summary}", look=Look.HEAD)
    for heading, found in glance.news.told:
        for one in found[:_SHOWN]:
            told = f"{heading}: {one.row}, {one.kernels[1]}: {one.before}, now {one.after}"
            yield from glance.wrapped(told, "  ")
        if len(found) > _SHOWN:
            yield from glance.wrapped(f"{heading}: {len(found) - _SHOWN} more", "  ")


def _first(glance: Glance) -> Iterator[Line]:
    worse = glance.news.worse if glance.news else {}
    found = things(glance.record.results, worse)
    if found:
        yield [(caption(found), Look.HEAD)]
    for number, thing in enumerate(found[:MOST], start=1):
        yield from glance.wrapped(f"{number}. {thing.heading}", look=Look.HEAD)
        yield from glance.wrapped(thing.message, "   ")


SECTIONS: tuple[Callable[[Glance], Iterator[Line]], ...] = (
    _coverage,
    _matrix,
    _recorded,
    _costs,
    _news,
    _first,
)
"""In this order; each is left out where it has nothing to say."""
