# SPDX-License-Identifier: Apache-2.0
"""The table of a run, shorter: rows and kernels that agree are told once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from hotremove.analysis.coverage import numbers_in_words
from hotremove.analysis.summary import Look, Piece
from hotremove.results.naming import UNNUMBERED, in_words, row_order
from hotremove.verdict.verdict import Verdict

Row = list[Piece]
Key = Callable[[Sequence[Piece]], tuple[str, ...]]
# Fewer rows are told by name: they are seen at once.
_FEW = 8
SCREEN = 24
"""More rows than this are more than a screen has, beside the rest."""
SOME = 3
"""So many that agree are worth a line of their own."""
# What says no more of one row than of another.
_QUIET = frozenset(
    {Verdict.PASS, Verdict.ABSENT, Verdict.NOT_APPLICABLE, Verdict.WAIVED, Verdict.NOT_RUN}
)
_VARIANT = re.compile(r"(.+) \[(.+)\]")
_COUNT = re.compile(r"(\d+) of (\d+)")


def folded(rows: Sequence[Row], kernels: int) -> list[Row]:
    """A table, its head first, whose first cell is a name and the next `kernels` are of those.

    Pin paths of a scenario that agree on each kernel share a row. Where there are many rows, those
    that pass, are absent and so on alike on all kernels are counted, with their numbers; where that
    is more than a screen still, so are those that are known to differ in the same way. Kernels that
    agree in every row share a column.
    """
    head, *body = rows
    kept = _joined(body)
    if len(kept) > _FEW:
        kept = _counted(kept, kernels, _agrees_in)
    if len(kept) > SCREEN:
        kept = _counted(kept, kernels, _differs_in)
    return _merged([head, *kept], kernels)


def _joined(rows: Iterable[Row]) -> list[Row]:
    """Rows of one scenario by several pin paths, as one where all cells agree."""
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        found = _VARIANT.fullmatch(row[0][0])
        own = (found[1], *row[1:]) if found and _has_no_count(row) else (row[0][0],)
        groups.setdefault(own, []).append(row)
    return [_as_one(group) for group in groups.values()]


def _has_no_count(row: Row) -> bool:
    """Rows with a score of faults are told apart: each has its own."""
    return not _COUNT.fullmatch(row[-1][0])


def _as_one(rows: Sequence[Row]) -> Row:
    (name, look), *cells = rows[0]
    found = [_VARIANT.fullmatch(row[0][0]) for row in rows]
    paths = ", ".join(one[2] for one in found if one)
    stem = found[0][1] if found[0] else name
    return [(f"{stem} [{paths}]" if paths else name, look), *cells]


def _counted(rows: Sequence[Row], kernels: int, key: Key) -> list[Row]:
    """The rows that have something to tell, then a line for each way in which others agree."""
    agreeing: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if not any(look is Look.FAIL for _, look in row):
            agreeing.setdefault(key(row[1 : kernels + 1]), []).append(row)
    many = {word: found for word, found in agreeing.items() if word and len(found) >= SOME}
    counted = {id(row) for found in many.values() for row in found}
    told = [row for row in rows if id(row) not in counted]
    return [*told, *(_line(found, kernels) for found in many.values())]


def _agrees_in(cells: Sequence[Piece]) -> tuple[str, ...]:
    """What a row says on all kernels alike, if it says no more; else nothing."""
    texts = {text for text, _ in cells}
    return tuple(texts) if len(texts) == 1 and texts <= _QUIET else ()


def _differs_in(cells: Sequence[Piece]) -> tuple[str, ...]:
    """What a row says on each kernel, if nobody has to look at it; else nothing."""
    if any(look is Look.UNSEEN for _, look in cells):
        return ()
    return tuple(text for text, _ in cells)


def _line(rows: Sequence[Row], kernels: int) -> Row:
    """`9 rows alike: 1 to 6, 8`, with what they say; scores of faults are added up."""
    count = sum(_tests_of(row) for row in rows)
    return [
        (f"{count} rows alike: {where(row[0][0] for row in rows)}", Look.PLAIN),
        *rows[0][1 : kernels + 1],
        *((added_up(column), Look.PLAIN) for column in _texts(row[kernels + 1 :] for row in rows)),
    ]


def _texts(rows: Iterable[Sequence[Piece]]) -> Iterator[list[str]]:
    """The texts of each column."""
    return ([text for text, _ in column] for column in zip(*rows, strict=True))


def where(names: Iterable[str]) -> str:
    """Numbers of rows, `1 to 6, 8`; of what has none, as another project's, how many there are."""
    numbers = [row_order(name)[0] for name in names]
    unnumbered = numbers.count(UNNUMBERED)
    told = [numbers_in_words(set(numbers) - {UNNUMBERED})]
    told += [f"{unnumbered} without a number"] if unnumbered else []
    return " and ".join(filter(None, told))


def _tests_of(row: Row) -> int:
    """How many rows of the suite share this one."""
    found = _VARIANT.fullmatch(row[0][0])
    return len(found[2].split(", ")) if found else 1


def added_up(scores: Iterable[str]) -> str:
    """`3 of 3` for `1 of 1` and `2 of 2`; nothing where there are none."""
    found = [one for text in scores if (one := _COUNT.fullmatch(text))]
    seen, tried = (sum(int(one[group]) for one in found) for group in (1, 2))
    return f"{seen} of {tried}" if found else ""


def _merged(rows: Sequence[Row], kernels: int) -> list[Row]:
    """The table with one column for kernels that agree in every row, headed by all of them."""
    head, *body = rows
    order = [text for text, _ in head[1 : kernels + 1]]
    alike: dict[tuple[Piece, ...], list[int]] = {}
    for place in range(1, kernels + 1):
        alike.setdefault(tuple(row[place] for row in body), []).append(place)
    heads = [_names(places, order) for places in alike.values()]
    firsts = [places[0] for places in alike.values()]
    return [
        [head[0], *((text, Look.HEAD) for text in heads), *head[kernels + 1 :]],
        *([row[0], *(row[place] for place in firsts), *row[kernels + 1 :]] for row in body),
    ]


def _names(places: Iterable[int], order: Sequence[str]) -> str:
    return in_words({order[place - 1] for place in places}, order)
