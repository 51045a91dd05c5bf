# SPDX-License-Identifier: Apache-2.0
"""Find the reports of a kernel that went wrong in its log.

The log is searched in stretches of thousands of lines for the fixed texts that every report begins
with; only around those is it read line by line. Time is linear in the length of the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import BinaryIO

from hotremove.observe.kernellog.carrier import plain_lines
from hotremove.observe.kernellog.flood import Flood
from hotremove.observe.kernellog.growing import Entry, Growing
from hotremove.observe.kernellog.logline import (
    LONGEST_RECORD,
    SKIPPED,
    LogLine,
    read_plain,
    read_records,
)
from hotremove.observe.kernellog.packing import unpacked
from hotremove.observe.kernellog.places import joined
from hotremove.observe.kernellog.report import Report, Reports
from hotremove.observe.kernellog.rules import Rule, Rules, default_rules

MOST = 10_000
"""Reports with one fingerprint; further ones are counted only."""

_CHUNK = 4096  # lines searched at once
_BLOCK = 1 << 18  # bytes read at once
_OFTEN = 256  # lines after which forgotten reports are looked for
_KNOWN = 512  # texts of which the rule is remembered
_MIXED = 3  # reports that a new one may be mixed with
_NEAR = 8  # lines between what belongs together


def find_reports(lines: Iterable[str]) -> Reports:
    """Every report in a kernel log, in the order in which they begin. No text makes it raise.

    Of those with one fingerprint the first `MOST` are kept, for memory's sake.

    `lines` are the log as read: line ends, prefixes and colour codes as they are.
    """
    finder = _Finder(default_rules())
    feed = iter(lines)
    while chunk := list(islice(feed, _CHUNK)):
        finder.read(chunk)
    return finder.finish()


def read_lines(stream: BinaryIO) -> Iterator[str]:
    """The lines of a log file, made plain as `plain_lines()` says; no UTF-8 becomes U+FFFD.

    Only a line feed ends a line, so that numbers agree with an editor's on a raw serial log. What
    gzip, xz, bzip2 or zstd has packed is unpacked, and UTF-16 recoded.

    Raises:
        UsageProblem: it is a file of another kind, which holds no log.
        OSError, packing.BROKEN: it cannot be read to its end.
    """
    return plain_lines(chain.from_iterable(_blocks(unpacked(stream))))


def _blocks(stream: BinaryIO) -> Iterator[list[str]]:
    """Lines without their ends, some thousands at once: quicker than reading each."""
    begun: list[bytes] = []
    while block := stream.read(_BLOCK):
        ended, feed, rest = block.rpartition(b"\n")
        if feed:
            text = b"".join([*begun, ended]).decode("utf-8", errors="replace")
            yield text.split("\n")
            begun.clear()
        begun.append(rest)
    if last := b"".join(begun):
        yield [last.decode("utf-8", errors="replace")]


@dataclass(slots=True)
class _Finder:
    """Reads a log, stretch by stretch.

    Attributes:
        counted: reports by fingerprint.
        growing: unfinished reports by printk caller, oldest first; None where the log names none.
        base: lines in the stretches before this one.
        before: the line before the present one.
        met: the last line that a report could begin with.
        last: caller of the last line that carried a prefix; lines without one are its.
        classified: rules of lines seen lately, by text and whether the kernel's stamp was there.
        flood: a line that was a report by itself, or with others alike, of which there are too many
            to be kept.
        margin: blanks that every line of an indented log without stamps begins with.
    """

    rules: Rules
    done: list[Report] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)
    growing: dict[str | None, list[Growing]] = field(default_factory=dict)
    base: int = 0
    before: str = ""
    met: int = 0
    last: str | None = None
    classified: dict[tuple[str, bool], Rule | None] = field(default_factory=dict)
    flood: Flood = field(default_factory=Flood)
    margin: str = ""

    def read(self, chunk: list[str]) -> None:
        """Take the next stretch of lines."""
        text = joined(chunk)
        at = offset = 0
        while at < len(chunk):
            if self.growing:
                end = self._follow(chunk, at)
                offset += sum(map(len, chunk[at:end])) + end - at
            elif found := self.rules.prefilter.search(text, offset):
                end = at + text.count("\n", offset, found.start()) + 1
                self._meet(chunk, end - 1)
                offset = text.find("\n", found.start()) + 1
            else:
                break
            at = end
        self.before = chunk[-1]
        self.base += len(chunk)

    def _may_begin(self, raw: str) -> bool:
        if len(raw) > LONGEST_RECORD:  # not to be remembered
            return self.rules.prefilter.search(raw) is not None
        return self.rules.begins[raw]

    def _meet(self, chunk: list[str], at: int) -> None:
        """A line that may begin a report."""
        number = self.base + at + 1
        again, self.met = number - 1 == self.met, number
        if again and self._floods(chunk, at):
            return
        self.before = chunk[at - 1] if at else self.before
        self._take(number, chunk[at], hit=True)
        if number % _OFTEN == 0:
            self._forget(number)

    def _floods(self, chunk: list[str], at: int) -> bool:
        """Whether a line is one more report of one line amid many alike, which are only counted."""
        if at + 1 >= len(chunk) or not self.flood.takes(chunk[at], chunk[at + 1]):
            return False
        self.counted[self.flood.fingerprint] += 1
        return True

    def _follow(self, chunk: list[str], start: int) -> int:
        """Give lines to the unfinished reports; where none is left, or the stretch ends."""
        begins = self.rules.begins
        for at in range(start, len(chunk)):
            if not self.growing:
                return at
            number, raw = self.base + at + 1, chunk[at]
            plain = read_plain(raw)
            if begins[plain[3]] if plain else self._may_begin(raw):
                self._meet(chunk, at)
                continue
            if plain:
                # As _take() does, without its calls: most lines of a report come this way.
                record, self.last, seconds, text = plain
                if reports := self.growing.get(self.last) or self._asked(text):
                    self._extend(Entry(number, record, text, seconds, self.last), reports)
            elif raw != SKIPPED:
                self._take(number, raw, hit=False)
            if number % _OFTEN == 0:
                self._forget(number)
        return len(chunk)

    def _forget(self, number: int) -> None:
        """Close what has had no line for long."""
        self._close([one for one in self._unfinished() if one.is_forgotten(number)])

    def finish(self) -> Reports:
        """The log is at its end, and with it every report."""
        self._close([one for one in self._unfinished() if not self._is_torso(one)])
        reports = Reports(sorted(self.done, key=lambda report: (report.start, report.end)))
        reports.left_out = sum(max(count - MOST, 0) for count in self.counted.values())
        return reports

    def _is_torso(self, last: Growing) -> bool:
        """Whether the log ends where something began that only goes on from another report."""
        if not last.is_nameless or last.kept > 1:
            return False
        ends = [one.end for one in self.done]
        ends += [one.last_number for one in self._unfinished() if one is not last]
        return any(0 <= last.entries[0].number - end <= _NEAR for end in ends)

    def _take(self, number: int, raw: str, *, hit: bool) -> None:
        if hit and (plain := read_plain(raw)):
            record, caller, seconds, text = plain
            line = LogLine(text, seconds, caller, stamped=True)
            self._take_record(number, record, line, hit=True, shared=False)
            return
        records = read_records(raw)
        for record, line in records:
            shared = record is not records[-1][0]
            self._take_record(number, record, line, hit=hit, shared=shared)

    def _take_record(
        self, number: int, record: str, read: LogLine, *, hit: bool, shared: bool
    ) -> None:
        line = self._without_margin(read, hit=hit)
        if not line.kernel:
            return  # user space wrote it, in between
        if line.stamped:
            self.last = line.caller
        entry = Entry(number, record, line.text, line.seconds, line.caller)
        rule = self._rule_of(line) if hit else None
        if shared and not rule and not line.stamped and not line.text[:1].isspace():
            return  # a program's words on the same line: its prompt, its name before each line
        if rule:
            self._close([one for one in self._reports_of(entry) if one.is_over(entry)])
            self._trigger(entry, rule, self._reports_of(entry))
        else:
            self._continue(entry)

    def _rule_of(self, line: LogLine) -> Rule | None:
        """The rule that a line of the kernel's matches; many begin with the same words."""
        known = (line.text, line.stamped)
        if known not in self.classified:
            if len(self.classified) >= _KNOWN:
                self.classified.clear()
            self.classified[known] = self.rules.classify(line)
        return self.classified[known]

    def _without_margin(self, line: LogLine, *, hit: bool) -> LogLine:
        """The line of a log that is indented as a whole, by as much as its report's first line."""
        if line.stamped or not line.text[:1].isspace():
            return line
        text = line.text.removeprefix(self.margin)
        bare = text.lstrip()
        if hit and text != bare and self.rules.classify(line._replace(text=bare)):
            self.margin, text = line.text[: -len(bare)], bare
        return line if text is line.text else line._replace(text=text)

    def _continue(self, entry: Entry) -> None:
        reports = self._reports_of(entry)
        if reports:
            self._extend(entry, reports)

    def _extend(self, entry: Entry, reports: Iterable[Growing]) -> None:
        over = [one for one in reports if not one.take(entry, self.rules)]
        if over:
            self._close(over)

    def _reports_of(self, entry: Entry) -> list[Growing]:
        """The unfinished reports that this line may belong to."""
        return self.growing.get(self.last) or self._asked(entry.text)

    def _asked(self, text: str) -> list[Growing]:
        """The report that made a processor print its backtrace, of which this is the first line."""
        if not text.startswith("NMI backtrace for cpu"):
            return []
        reports = [one for one in self._unfinished() if one.asks_processors][:1]
        if reports:
            self.growing[self.last] = reports
        return reports

    def _trigger(self, entry: Entry, rule: Rule, reports: list[Growing]) -> None:
        """A line that matches a rule: it continues a report, stands alone, or begins one."""
        if rule.inner and self._embrace(entry, rule, reports):
            return
        taker = next((one for one in reversed(reports) if one.accepts(rule)), None)
        others = [one for one in reports if one is not taker]
        if taker:
            taker.adopt(rule, entry)
            self._extend(entry, others)
            return
        begun = Growing.begin(rule, entry)
        if (rule.single or not begun.fails) and any(one.fails and not one.ended for one in others):
            self._extend(entry, others)  # a line or a note does not break a splat in two
            self._emit(begun)
        elif rule.single:
            self._emit(begun)
        else:
            self._begin(begun, entry, reports)

    def _embrace(self, entry: Entry, rule: Rule, reports: list[Growing]) -> bool:
        """A line that begins a page dump: part of what is open, or nothing of the kind."""
        within = [one for one in reports if one.embraces(rule)]
        for one in within:
            one.has_dump = True
        if within:
            self._extend(entry, reports)
        return bool(within)

    def _begin(self, begun: Growing, entry: Entry, reports: list[Growing]) -> None:
        if not begun.is_sure:  # it may be nothing: what is open goes on
            self._extend(entry, reports)
            self.growing[self.last] = [*self._reports_of(entry), begun]
            return
        mixed = [one for one in reports if one.mixes_with(entry)][-_MIXED:]
        # A processor that was asked for its backtrace has a report of its own now: not closed.
        self._close([o for o in reports if o not in mixed and o.caller == entry.caller])
        for one in mixed:
            one.take(entry, self.rules)
            one.owed += 1
            begun.owed = one.owed
        ends = [one.last_number for one in reports if one.ended]
        ends += [one.end for one in self.done[-1:]]
        if entry.number - 1 not in ends:  # it closed the one before
            self._add_frame(begun, entry)
        self.growing[self.last] = [*mixed, begun]

    def _add_frame(self, begun: Growing, entry: Entry) -> None:
        """KASAN and lockdep draw a line above the first."""
        record, line = read_records(self.before)[-1]
        above = self._without_margin(line, hit=False)
        if above.caller == entry.caller and self.rules.frame.match(above.text):
            number = entry.number - 1
            begun.put_before(Entry(number, record, above.text, above.seconds, above.caller))

    def _unfinished(self) -> list[Growing]:
        return list({id(one): one for reports in self.growing.values() for one in reports}.values())

    def _close(self, finished: list[Growing]) -> None:
        if not finished:
            return
        closed = {id(one) for one in finished}
        kept = {
            caller: [one for one in reports if id(one) not in closed]
            for caller, reports in self.growing.items()
        }
        self.growing = {caller: reports for caller, reports in kept.items() if reports}
        for one in finished:
            self._emit(one)

    def _emit(self, report: Growing) -> None:
        if not report.is_real or self.rules.suppress.match(report.title):
            return
        blamed = report.blamed(self.rules)
        self.counted[blamed.fingerprint] += 1
        if self.counted[blamed.fingerprint] <= MOST:
            self.done.append(report.finished(blamed))
        elif len(records := report.records) <= _NEAR:
            self.flood.learn(blamed.fingerprint, records)
