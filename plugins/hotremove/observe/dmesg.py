# SPDX-License-Identifier: Apache-2.0
"""Find the reports of a kernel that went wrong in its log.

The log is searched in stretches of thousands of lines for the fixed texts that every report begins
with; only around those is it read line by line. Time is linear in the length of the log.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate, islice

from hotremove.observe.growing import Entry, Growing
from hotremove.observe.logline import parse_record, split_records
from hotremove.observe.report import Report
from hotremove.observe.rules import Rule, Rules, default_rules

_CHUNK = 4096  # lines searched at once
_LONGEST_RECORD = 4096  # characters; printk's own limit is about 1,000 (LOG_LINE_MAX)


def find_reports(lines: Iterable[str], rules: Rules | None = None) -> list[Report]:
    """Every report in a kernel log, in the order in which they begin. No text makes it raise.

    Args:
        lines: the log as read: line ends, prefixes and colour codes as they are.
        rules: what to look for; by default what comes with the farm.
    """
    finder = _Finder(rules or default_rules())
    feed = iter(lines)
    while chunk := list(islice(feed, _CHUNK)):
        finder.read(chunk)
    return finder.finish()


def read_lines(stream: Iterable[bytes]) -> Iterator[str]:
    """The lines of a log file opened in binary mode; bytes that are not UTF-8 become U+FFFD.

    Only a line feed ends a line, so that numbers agree with an editor's on a raw serial log.
    """
    return (line.decode("utf-8", errors="replace") for line in stream)


@dataclass(slots=True)
class _Finder:
    """Reads a log, stretch by stretch.

    Attributes:
        growing: unfinished reports by printk caller; None where the log names no callers.
        base: lines in the stretches before this one.
        before: the line before the present one.
        last: caller of the last line that carried a prefix; lines without one are its.
    """

    rules: Rules
    done: list[Report] = field(default_factory=list)
    growing: dict[str | None, Growing] = field(default_factory=dict)
    base: int = 0
    before: str = ""
    last: str | None = None

    def read(self, chunk: list[str]) -> None:
        """Take the next stretch of lines."""
        hits = self._hits(chunk)
        is_hit = frozenset(hits)
        at = 0
        while at < len(chunk):
            if not self.growing:
                place = bisect_left(hits, at)
                if place == len(hits):
                    break
                at = hits[place]
            self.before = chunk[at - 1] if at else self.before
            self._take(self.base + at + 1, chunk[at], hit=at in is_hit)
            at += 1
        self.before = chunk[-1]
        self.base += len(chunk)

    def _hits(self, chunk: list[str]) -> list[int]:
        """Which lines of the stretch hold a text that a report may begin with, in order."""
        text = "\n".join(chunk)
        found = [hit.start() for hit in self.rules.prefilter.finditer(text)]
        if not found:
            return []
        offsets = list(accumulate(len(line) + 1 for line in chunk))
        return sorted({bisect_right(offsets, start) for start in found})

    def finish(self) -> list[Report]:
        """The log is at its end, and with it every report."""
        while self.growing:
            self._close(next(iter(self.growing.values())))
        return sorted(self.done, key=lambda report: (report.start, report.end))

    def _take(self, number: int, raw: str, *, hit: bool) -> None:
        for record in split_records(raw):
            shown = record[:_LONGEST_RECORD]
            self._take_entry(Entry(number, shown, parse_record(shown)), hit=hit)
        if number % 256 == 0:
            for report in list(self.growing.values()):
                if report.is_forgotten(number):
                    self._close(report)

    def _take_entry(self, entry: Entry, *, hit: bool) -> None:
        if entry.line.stamped:
            self.last = entry.line.caller
        report = self._report_of(entry)
        rule = self.rules.classify(entry.line) if hit else None
        if rule:
            self._trigger(entry, rule, report)
        elif report and not report.take(entry, self.rules):
            self._close(report)

    def _report_of(self, entry: Entry) -> Growing | None:
        """The unfinished report that this line may belong to."""
        report = self.growing.get(self.last)
        if report and report.is_over(entry):
            self._close(report)
            report = None
        if report is None and entry.line.text.startswith("NMI backtrace for cpu"):
            report = next((one for one in self.growing.values() if one.asks_processors), None)
            if report:
                self.growing[self.last] = report
        return report

    def _trigger(self, entry: Entry, rule: Rule, report: Growing | None) -> None:
        """A line that matches a rule: it continues a report, stands alone, or begins one."""
        if report and report.accepts(rule):
            report.adopt(rule, entry)
            return
        begun = Growing.begin(rule, entry)
        if report and report.fails and not report.ended and not begun.fails:
            report.take(entry, self.rules)  # a note does not break a splat in two
            self._emit(begun)
        elif rule.single:
            self._emit(begun)
        else:
            # A processor that was asked for its backtrace has a report of its own now.
            if report and report.caller == entry.line.caller:
                self._close(report)
            self._add_frame(begun, entry)
            self.growing[self.last] = begun

    def _add_frame(self, begun: Growing, entry: Entry) -> None:
        """KASAN and lockdep draw a line above the first."""
        record = split_records(self.before)[-1][:_LONGEST_RECORD] if self.before else ""
        above = parse_record(record)
        if above.caller == entry.line.caller and self.rules.frame.match(above.text):
            begun.put_before(Entry(entry.number - 1, record, above))

    def _close(self, report: Growing) -> None:
        self.growing = {key: one for key, one in self.growing.items() if one is not report}
        self._emit(report)

    def _emit(self, report: Growing) -> None:
        if not self.rules.suppress.match(report.title):
            self.done.append(report.finished(self.rules))
