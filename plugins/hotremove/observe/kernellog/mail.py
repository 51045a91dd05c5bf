# SPDX-License-Identifier: Apache-2.0
"""What mail and comments do to a log: lines quoted, and broken at 72 to 80 columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hotremove.observe.kernellog.logline import SKIPPED, parse_line

# `> `, `>> `, `| `, `# ` as TAP comments by, and `service-1  | ` as docker compose does.
_QUOTE = re.compile(
    r"[ \t]*(?:[>|]+(?:[ \t]|\r?$|(?=\[))|\# |[\w.][\w./-]{0,80} +\| ){1,16}", re.ASCII
)
_MARKS = frozenset(">|# \t")
_BARE = re.compile(r">(?![ \t\r>]|$)")  # quoted without a blank
_MANY = 3  # lines; one may be the marked row of KASAN's "Memory state around the buggy address"
_NARROWEST = 68  # columns: 72, less a quoting mark or two that were there when it was broken
_WIDEST = 80
_SHORTEST = 24  # columns of a broken line: the word that did not fit is seldom longer than 50
_LONGEST_CHAIN = 64  # lines

# First words of lines that a report or a listing in it begins with: not the rest of another line.
_BEGINS = re.compile(
    r"(?:BUG|WARNING|INFO|Kernel panic|Oops|UBSAN|Unable|Internal error|Call Trace|RIP|Code|CPU"
    r"|Modules linked|Hardware name|[RE][A-Z0-9]{2}|[FCDEG]S|CR\d|Allocated|Freed|page|rcu|watchdog"
    r")\b(?:.{0,20}:|:)|-{5,}|={5,}|<|\[(?![a-z]\w*[\]( ])|\*{3}|#PF"
)
# A line of such length, and one that begins otherwise, with its first word: the lines of most logs
# begin alike.
_UNLIKE = re.compile(rf"\n(?=(\S)[^\n]{{{_SHORTEST - 1},{_WIDEST}}}\n((?!\1)\S\S*|\[[a-z]\S*))")
# Lines of a report that are long, in a log without stamps.
_LONG = re.compile(
    r"(?:\w+: )?(?:BUG|WARNING|INFO|UBSAN|Unable|Internal error|general|Modules linked in|CPU|Code"
    r"|Hardware name)\b"
)


def unquote(lines: Sequence[str]) -> list[str]:
    """Lines without the marks that they are quoted by."""
    if sum(line[:1] == ">" and _BARE.match(line) is not None for line in lines) >= _MANY:
        return [line.removeprefix(">") for line in lines]
    return [_unquoted(line) if line[:1] in _MARKS or " | " in line else line for line in lines]


def _unquoted(line: str) -> str:
    found = _QUOTE.match(line)
    return line[found.end() :] if found else line


def join_broken(lines: list[str]) -> list[str]:
    """Lines that a mailer broke put together; `SKIPPED` stands where the second part was."""
    places = _broken(lines)
    if not places:
        return lines
    joined = list(lines)
    for place in reversed(places):
        joined[place] = f"{joined[place].rstrip()} {joined[place + 1].strip()}"
        joined[place + 1] = SKIPPED
    return joined


def unbroken(lines: Sequence[str]) -> int:
    """How many lines can be read without those to come: up to a place where none is broken."""
    at = len(lines) - 1
    tail = max(at - _LONGEST_CHAIN, 0)
    broken = {tail + place for place in _broken(lines[tail:])}
    while at > tail and at - 1 in broken:
        at -= 1
    return max(at, 0)


def _broken(lines: Sequence[str]) -> list[int]:
    """Places of the lines that go on in the next one."""
    text = "\n".join(["", *lines])
    places: list[int] = []
    at, offset = 0, 0
    for found in _UNLIKE.finditer(text):
        if found.start() < offset or found.end(2) - found.start() <= _NARROWEST + 1:
            continue  # part of a line before, or there was room for the word
        at, offset = at + text.count("\n", offset, found.start()), found.start()
        while at + 1 < len(lines) and _goes_on(lines[at], lines[at + 1], places[-1:] == [at - 1]):
            places.append(at)
            at += 1
            offset = text.index("\n", offset + 1)
    return places


def _overflows(line: str, following: str) -> bool:
    """Whether the next line's first word would have stood too far to the right."""
    width = len(line.rstrip())
    if not _SHORTEST <= width <= _WIDEST or following[:1].isspace():
        return False
    word = following.split(maxsplit=1)
    return bool(word) and width + 1 + len(word[0]) > _NARROWEST


def _goes_on(line: str, following: str, inside: bool) -> bool:
    """Whether a mailer broke the line here; `inside` says that it did so just before as well."""
    if not _overflows(line, following) or SKIPPED in (line, following):
        return False
    if _BEGINS.match(following):
        return False
    if not inside and not _is_carried(line) and not _LONG.match(line.lstrip()):
        return False
    return not _is_carried(following)


def _is_carried(line: str) -> bool:
    """Whether a stamp, a date or a tag stands before the message."""
    return len(parse_line(line).text) < len(line.rstrip("\r\n"))
