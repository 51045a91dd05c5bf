# SPDX-License-Identifier: Apache-2.0
"""Red cells, for a page that shows why each is red: alike together, the gravest first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hotremove.analysis.first import Thing, things
from hotremove.analysis.folding import where
from hotremove.analysis.news import News
from hotremove.formats.view import View
from hotremove.results.naming import in_words
from hotremove.verdict.verdict import BAD

# Of a page, so many are shown with their evidence; of the others each has its sentence.
_MOST_RED = 60


@dataclass(frozen=True)
class Red:
    """Red cells that come to the same.

    Attributes:
        thing: what they come to.
        shown: those with evidence, which is shown.
        others: those without, or too many.
    """

    thing: Thing
    shown: tuple[View, ...]
    others: tuple[View, ...]

    @property
    def where(self) -> str:
        """Kernels and numbers of the others."""
        labels = [view.result.kernel_label for view in self.others]
        rows = where(view.result.row for view in self.others)
        return f"{in_words(labels, list(dict.fromkeys(labels)))}: {rows}"

    @property
    def messages(self) -> list[str]:
        """What the others say, each once."""
        return list(dict.fromkeys(view.result.message.partition("\n")[0] for view in self.others))


def to_see(views: Sequence[View], news: News | None = None) -> list[tuple[View, Thing]]:
    """All things to look at, the gravest first, each with the test that it is told by."""
    by_result = {id(view.result): view for view in views}
    found = things([view.result for view in views], news.worse if news else None)
    return [(by_result[id(thing.first)], thing) for thing in found]


def red_cells(found: Iterable[Thing], views: Sequence[View]) -> list[Red]:
    """Every red test once, the gravest first, those that come to the same together."""
    by_result = {id(view.result): view for view in views}
    room, cells = _MOST_RED, []
    for thing in found:
        red = [by_result[id(one)] for one in thing.tests if one.verdict in BAD]
        shown = [view for view in red if view.case.folder][:room]
        rest = tuple(view for view in red if view not in shown)
        room -= len(shown)
        if red:
            cells.append(Red(thing, tuple(shown), rest))
    return cells
