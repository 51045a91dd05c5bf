# SPDX-License-Identifier: Apache-2.0
"""A kernel log for reading: its reports marked, and of a long one what matters; and in short."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hotremove.observe.kernellog.report import Report
from hotremove.observe.pagedump import PageDump

_FEW = 12  # lines of what says best what happened
_AROUND = 3  # lines shown before and after what is asked for
_LONGEST_REPORT = 200
_END = 6  # lines of a log's end, where it reports nothing


@dataclass(frozen=True)
class Line:
    """A line of a log, or a gap in it.

    Attributes:
        number: its place in the log, counted from 1.
        text: what it says; of a gap, nothing.
        kind: `splat` or `note` inside a report, else empty.
        skipped: how many lines a gap stands for; 0 for a line.
    """

    number: int
    text: str
    kind: str = ""
    skipped: int = 0


@dataclass(frozen=True)
class Words:
    """A few lines of a log, and what they are."""

    caption: str
    lines: list[Line]


def excerpt(log: str, reports: Sequence[Report], wanted: Iterable[int], tail: int) -> list[Line]:
    """The lines in reports, those `wanted` with a few around them, and the last `tail`."""
    lines = log.splitlines()
    kinds = {
        number: report.severity
        for report in reversed(reports)
        for number in range(report.start, min(report.end, report.start + _LONGEST_REPORT) + 1)
    }
    shown = set(range(max(len(lines) - tail, 0) + 1, len(lines) + 1)) | kinds.keys()
    for number in {*wanted, *(report.start for report in reports)}:
        shown |= set(range(number - _AROUND, number + _AROUND + 1))
    chosen = sorted(number for number in shown if 0 < number <= len(lines))
    return list(_with_gaps(chosen, lines, kinds))


def words(log: str, reports: Sequence[Report], dumps: Sequence[PageDump], told: str) -> Words:
    """What says best what a kernel has to say of what is `told`.

    That is its first report that fails a scenario; else the dump of a page that is named, or of
    the last page; else the log's end.
    """
    lines = log.splitlines()
    report = next((one for one in reports if one.fails), None)
    if report:
        return Words("reported by the kernel", _few(lines, report.start, report.end, "splat"))
    named = [one for one in dumps if one.pfn is not None and f"{one.pfn:#x} " in told]
    for dump in (*named, *reversed(dumps)):
        failed = dump.ret is not None  # which the line before it says
        return Words("dumped by the kernel", _few(lines, dump.start - failed, dump.end, "note"))
    return Words("the log's end", _few(lines, len(lines) - _END + 1, len(lines)))


def _few(lines: Sequence[str], first: int, last: int, kind: str = "") -> list[Line]:
    """The first few of those lines, counted from 1, and how many more there are."""
    numbers = range(max(first, 1), min(last, len(lines)) + 1)
    shown = [Line(number, lines[number - 1], kind) for number in numbers[:_FEW]]
    rest = len(numbers) - len(shown)
    return [*shown, Line(numbers[-1], "", skipped=rest)] if rest else shown


def _with_gaps(chosen: list[int], lines: list[str], kinds: dict[int, str]) -> Iterable[Line]:
    before = 0
    for number in chosen:
        if number > before + 1:
            yield Line(before + 1, "", skipped=number - before - 1)
        yield Line(number, lines[number - 1], kinds.get(number, ""))
        before = number
