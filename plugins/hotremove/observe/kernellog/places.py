# SPDX-License-Identifier: Apache-2.0
"""Where texts stand in a stretch of lines that was joined to be searched at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


def joined(lines: Sequence[str]) -> str:
    """Lines as one text with a line feed between two, and no other, for all the ends they have."""
    text = "\n".join(lines)
    if text.count("\n") == len(lines) - 1:
        return text
    return "\n".join(line.replace("\n", " ") for line in lines)


def lines_with(needles: Iterable[str], text: str) -> Iterator[int]:
    """Which lines of the joined `text` hold one of the needles, each once and in order."""
    return lines_at(sorted(at for needle in needles for at in _places(needle, text)), text)


def lines_at(offsets: Iterable[int], text: str) -> Iterator[int]:
    """The lines in which these places of the joined `text` lie, each once; both in order."""
    line, counted, end = 0, 0, -1
    for offset in offsets:
        if offset <= end:
            continue  # in the line before
        line += text.count("\n", counted, offset)
        counted, end = offset, text.find("\n", offset)
        yield line
        if end < 0:
            return


def _places(needle: str, text: str) -> Iterator[int]:
    at = text.find(needle)
    while at >= 0:
        yield at
        at = text.find(needle, at + 1)
