# SPDX-License-Identifier: Apache-2.0
"""A kernel log for reading: its reports marked, and of a long one what matters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hotremove.observe.kernellog.report import Report

_AROUND = 3  # lines shown before and after what is asked for
_LONGEST_REPORT = 200


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


def _with_gaps(chosen: list[int], lines: list[str], kinds: dict[int, str]) -> Iterable[Line]:
    before = 0
    for number in chosen:
        if number > before + 1:
            yield Line(before + 1, "", skipped=number - before - 1)
        yield Line(number, lines[number - 1], kinds.get(number, ""))
        before = number
