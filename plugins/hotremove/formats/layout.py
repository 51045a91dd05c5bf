# SPDX-License-Identifier: Apache-2.0
"""A table of so many columns of characters: what does not fit is told by letters and a legend."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest

from hotremove.analysis.summary import LETTERS, Look, Piece
from hotremove.verdict.verdict import Verdict

Row = list[Piece]
_GAP = 2
# The first column, in characters, is no narrower than this on a narrow terminal.
_NARROWEST = 24
_WORD = re.compile(r"[a-z-]+")


def widths(rows: Sequence[Row]) -> list[int]:
    """Width of each column, in characters."""
    columns = zip_longest(*rows, fillvalue=("", Look.PLAIN))
    return [max(len(text) for text, _ in column) for column in columns]


def laid_out(rows: Sequence[Row], columns: int) -> Iterator[Row]:
    """The lines of a table, its head first, for a terminal of so many columns.

    Heads become letters, then cells do; what is still too wide follows below, column by column.
    """
    if _fits(rows, columns):
        yield from _lines(rows, columns)
        return
    short = _with_letters(rows[0])
    lettered = [[rows[0][0], *short.values()], *rows[1:]]
    yield from _legend(rows[0], short)
    if _fits(lettered, columns):
        yield from _lines(lettered, columns)
        return
    yield [(f"  {_meaning(rows[1:])}", Look.PLAIN)]
    marked = [lettered[0], *([row[0], *map(_mark, row[1:])] for row in rows[1:])]
    for part in _parts(marked, columns):
        yield from _lines(part, columns)


def _fits(rows: Sequence[Row], columns: int) -> bool:
    return _NARROWEST + sum(width + _GAP for width in widths(rows)[1:]) < columns


def _lines(rows: Sequence[Row], columns: int) -> Iterator[Row]:
    """The rows, padded; a name that is too long goes on in lines of its own."""
    first, *others = widths(rows)
    room = max(columns - sum(width + _GAP for width in others) - 1, _NARROWEST)
    first = min(first, room)
    for (name, look), *cells in rows:
        head, *more = textwrap.wrap(name, room, subsequent_indent="   ") or [""]
        yield _padded([(head, look), *cells], [first, *others])
        yield from ([(line, look)] for line in more)


def _padded(row: Row, wide: Sequence[int]) -> Row:
    """Blanks are pieces of their own, so that no background is wider than what it is for."""
    pieces: Row = []
    for (text, look), width in zip(row, wide, strict=False):
        pieces += [(text, look), (" " * (width - len(text) + _GAP), Look.PLAIN)]
    return pieces[:-1]


def _with_letters(head: Row) -> Mapping[int, Piece]:
    """Letters for the heads of columns, by their places."""
    return {place: (_letters(place - 1), Look.HEAD) for place in range(1, len(head))}


def _letters(number: int) -> str:
    """`A` for 0, `Z` for 25, `AA` for 26."""
    more, last = divmod(number, 26)
    return (_letters(more - 1) if more else "") + chr(ord("A") + last)


def _legend(head: Row, short: Mapping[int, Piece]) -> Iterator[Row]:
    for place, (letters, _) in short.items():
        yield [(f"  {letters}: ", Look.HEAD), (head[place][0], Look.PLAIN)]


def _mark(piece: Piece) -> Piece:
    """A verdict's letter; what is none stays as it is."""
    text, look = piece
    found = _WORD.match(text)
    return (LETTERS[Verdict(found[0])] if found else text), look


def _meaning(rows: Iterable[Row]) -> str:
    """What the letters mean that are there."""
    words = {found[0] for row in rows for text, _ in row[1:] if (found := _WORD.match(text))}
    return ", ".join(f"{mark} {word}" for word, mark in LETTERS.items() if word in words)


def _parts(rows: Sequence[Row], columns: int) -> Iterator[Sequence[Row]]:
    """The table cut into some that fit, each with the first column."""
    _, *wide = widths(rows)
    room = max(columns - _NARROWEST, 0)
    begin = 0
    while begin < len(wide):
        end = begin + 1
        while end < len(wide) and sum(one + _GAP for one in wide[begin : end + 1]) < room:
            end += 1
        yield [[row[0], *row[begin + 1 : end + 1]] for row in rows]
        begin = end
