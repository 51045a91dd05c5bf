# SPDX-License-Identifier: Apache-2.0
"""What a test of the kernel's own says: TAP 13 as kselftest.h prints it, KTAP 1 (ktap.rst)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

_VERSION = re.compile(r"(?:TAP version 1[34]|KTAP version 1)$")
_PLAN = re.compile(r"1\.\.(\d+)(?:\s*#\s*SKIP\b\s*(.*))?$", re.IGNORECASE)
_RESULT = re.compile(r"(not )?ok(?:\s+(\d+)\b|(?=\s+-\s)|(?=$))\s*(?:- )?(.*)$")
_DIRECTIVE = re.compile(
    r"(?:^|(?<!\\)\s*)#\s*(SKIP|TODO|XFAIL|XPASS|TIMEOUT|ERROR)\b:?\s*(.*)$", re.IGNORECASE
)
# Of a result that has no directive what stands behind the mark is a diagnosis (ktap.rst).
_REMARK = re.compile(r"(?:^|\s+)#(?:\s+(.*))?$")
_BAIL_OUT = re.compile(r"Bail out!\s*(.*)$")
# Older programs of tools/testing/selftests/mm give a name before each result, and no other.
_BEGUN = re.compile(r"\[RUN\]\s+(.+)")


# So many lines before a result are told with it.
_NOTES = 3


class Said(StrEnum):
    """How a subtest ended, by its own word."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    EXPECTED = "failed as it expects"
    """XFAIL, or TODO."""


_DIRECTIVES = {
    "SKIP": Said.SKIPPED,
    "TODO": Said.EXPECTED,
    "XFAIL": Said.EXPECTED,
    "TIMEOUT": Said.FAILED,
    "ERROR": Said.FAILED,
}


@dataclass(frozen=True)
class Subtest:
    """A result that has no results below it.

    Attributes:
        name: its own, behind those of the tests that it is a part of, `outer: inner`.
        said: how it ended.
        why: words of a directive, or what was printed since the result before.
    """

    name: str
    said: Said
    why: str = ""


@dataclass(frozen=True)
class TestOutput:
    """What a program printed.

    Attributes:
        subtests: in their order.
        missing: why it is not whole, a line each: results that the plan has and nobody gave, the
            words of a bail-out. None where it is, or is no TAP.
        skipped: why it did not begin (`1..0 # SKIP`), or empty.
        unfinished: what it said that it runs, and gave no result of; or empty.
    """

    __test__ = False  # for pytest: no test of the farm's

    subtests: tuple[Subtest, ...] = ()
    missing: tuple[str, ...] = ()
    skipped: str = ""
    unfinished: str = ""


def read(text: str, ended: bool = True) -> TestOutput:
    r"""Read what a test printed; of one that has not `ended`, a line that has no end is no line.

    Example:
        >>> read("TAP version 13\n1..2\nok 1 pin\nok 2 # SKIP no huge pages\n").subtests[1]
        Subtest(name='2', said=<Said.SKIPPED: 'skipped'>, why='no huge pages')
    """
    levels = [_Level(0)]
    bailed = ""
    lines = text.replace("\r", "").split("\n")
    for raw in lines if ended else lines[:-1]:
        line = raw.strip()
        if found := _BAIL_OUT.search(line):
            bailed = found[1] or "no reason given"
        else:
            _take_in(levels, len(raw) - len(raw.lstrip(" ")), line)
    _close_down_to(levels, 0)
    top = levels[0]
    # A summary of what was told already, where all results are there (ksft_exit_fail_msg()).
    told = [f"bailed out: {bailed}"] if bailed and not top.is_whole else []
    return TestOutput(
        subtests=tuple(top.subtests),
        missing=(*top.missing, *top.short(""), *told),
        skipped=top.skipped,
        unfinished=top.begun,
    )


@dataclass
class _Level:
    """The results that are indented alike, until the result of the test that has them."""

    indent: int
    planned: int | None = None
    results: int = 0
    skipped: str = ""
    begun: str = ""
    notes: list[str] = field(default_factory=list)
    subtests: list[Subtest] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        return self.planned is not None and self.results >= self.planned

    def short(self, name: str) -> list[str]:
        """What is missing of this level."""
        where = f"{name}: " if name else ""
        if self.planned is None:
            return [f"{where}no plan"] if self.results else []
        lacking = self.planned - self.results
        return [f"{where}{self.results} results of {self.planned} planned"] if lacking else []

    def note(self, line: str) -> None:
        text = line.removeprefix("#").strip()
        if found := _BEGUN.match(text):
            self.begun = found[1]
        elif text and not text.startswith(("Subtest:", "Totals:")):
            self.notes.append(text)

    def close(self, own: Subtest, below: _Level | None) -> None:
        """Take in a result, with those that it has below it."""
        self.results += 1
        self.subtests += _as_parts(own, below.subtests) if below else [own]
        if below:
            name = own.name
            self.missing += [*(f"{name}: {one}" for one in below.missing), *below.short(name)]
        self.notes.clear()
        self.begun = ""


def _take_in(levels: list[_Level], indent: int, line: str) -> None:
    """Take in a line that ends no test as a whole."""
    if found := _PLAN.match(line):
        level = _level_at(levels, indent)
        level.planned, level.skipped = int(found[1]), (found[2] or "").strip()
    elif found := _RESULT.match(line):
        own = _level_at(levels, indent)
        below = levels[-1] if levels[-1] is not own else None
        if below:
            _close_down_to(levels, levels.index(own) + 1)
            below = levels.pop()
        own.close(_subtest(found, line, own), below)
    elif _VERSION.match(line):
        _level_at(levels, indent)
    elif line:
        (levels[-1] if indent >= levels[-1].indent else levels[0]).note(line)


def _level_at(levels: list[_Level], indent: int) -> _Level:
    """The level of an indentation, begun if there is none."""
    fitting = [level for level in levels if level.indent <= indent]
    if fitting and fitting[-1].indent == indent:
        return fitting[-1]
    levels.append(_Level(indent))
    return levels[-1]


def _close_down_to(levels: list[_Level], last: int) -> None:
    """End the levels above one whose tests never got a result of their own."""
    while len(levels) > last + 1:
        lost = levels.pop()
        below = levels[-1]
        below.subtests += lost.subtests
        below.missing += [*lost.missing, *lost.short(""), "a test gave no result of its own"]


def _subtest(found: re.Match[str], line: str, level: _Level) -> Subtest:
    directive = _DIRECTIVE.search(line)
    told = (directive[2] if directive else "") or _remark(line)
    said = Said.FAILED if found[1] else Said.PASSED
    if directive:
        said = _DIRECTIVES.get(directive[1].upper(), said)
    name = _name(found[3] or "", directive)
    # What it said that it runs is its name, and what stands for one then, a diagnosis.
    called = level.begun or name or found[2] or str(level.results + 1)
    words = dict.fromkeys((told, name, *level.notes[-_NOTES:]))
    why = "; ".join(word for word in words if word and word != called)
    return Subtest(called, said, why)


def _name(described: str, directive: re.Match[str] | None) -> str:
    if directive:
        described = _DIRECTIVE.sub("", described)
    return _REMARK.sub("", described).replace("\\#", "#").strip()


def _remark(line: str) -> str:
    found = _REMARK.search(line)
    return (found[1] or "").strip() if found and not _DIRECTIVE.search(line) else ""


def _as_parts(own: Subtest, parts: Sequence[Subtest]) -> list[Subtest]:
    """The parts by whole names; the test itself where it says worse than they do."""
    named = [replace(part, name=f"{own.name}: {part.name}") for part in parts]
    explained = any(part.said is Said.FAILED for part in parts)
    return named if parts and (explained or own.said is not Said.FAILED) else [*named, own]


def failed(subtests: Iterable[Subtest]) -> Iterator[Subtest]:
    """Those that say that they failed."""
    return (one for one in subtests if one.said is Said.FAILED)
