# SPDX-License-Identifier: Apache-2.0
"""Find the reports of a kernel that went wrong in its log.

The log is searched in stretches of thousands of lines for the fixed texts that every report begins
with; only around those is it read line by line. Time is linear in the length of the log.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, field
from itertools import chain
from typing import BinaryIO

from hotremove.observe.kernellog.carrier import plain_lines
from hotremove.observe.kernellog.flood import Flood
from hotremove.observe.kernellog.growing import Growing
from hotremove.observe.kernellog.logline import LONGEST_RECORD, LogLine, read_records
from hotremove.observe.kernellog.packing import unpacked
from hotremove.observe.kernellog.report import Report, Reports
from hotremove.observe.kernellog.rules import Rule, Rules, default_rules
from hotremove.observe.kernellog.stretch import Entry, Stretch, stretches

MOST = 10_000
"""Reports with one fingerprint; further ones are counted only."""

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
    finder = Finder()
    for stretch in stretches(lines):
        finder.read(stretch)
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
class Finder:
    """Reads a log, stretch by stretch.

    Attributes:
        done: reports that are over, as they ended; of those with one fingerprint the first `MOST`.
        counted: reports by fingerprint.
        ended: number of the last line of the report that ended last, kept or only counted.
        growing: unfinished reports by printk caller, oldest first; None where the log names none.
        stretch: the lines that are being read.
        above: number and text of the line before these.
        met: number of the last line that a report could begin with.
        due: number of the line after which forgotten reports are looked for.
        last: caller of the last line that carried a prefix; lines without one are its.
        classified: rules of lines seen lately, by text and whether the kernel's stamp was there.
        flood: a line that was a report by itself, or with others alike, of which there are too many
            to be kept.
    """

    rules: Rules = field(default_factory=default_rules)
    done: list[Report] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)
    ended: int | None = None
    growing: dict[str | None, list[Growing]] = field(default_factory=dict)
    stretch: Stretch = field(default_factory=lambda: Stretch(1, []))
    above: tuple[int, str] = (0, "")
    met: int = 0
    due: int = _OFTEN
    last: str | None = None
    classified: dict[tuple[str, bool], Rule | None] = field(default_factory=dict)
    flood: Flood = field(default_factory=Flood)

    def read(self, stretch: Stretch) -> None:
        """Take the next stretch of lines."""
        stretch.margin = self.stretch.margin
        self.stretch = stretch
        at, end = 0, len(stretch.lines)
        while at < end:
            at = self._follow(at) if self.growing else self._next_begin(at)
        if end:
            self.above = stretch.numbers[-1], stretch.lines[-1]

    def _next_begin(self, at: int) -> int:
        """Look for the next line that may begin a report; the place of the one after it."""
        stretch = self.stretch
        found = self.rules.prefilter.search(stretch.text, stretch.offsets[at])
        if not found:
            return len(stretch.lines)
        at = bisect_right(stretch.offsets, found.start()) - 1
        self._wait_until(stretch.numbers[at])
        return self._meet(at)

    def _meet(self, at: int) -> int:
        """A line that may begin a report; the place of the next one to look at."""
        alike = self._floods(at) if self._before(at)[0] == self.met else 0
        self.met = self.stretch.numbers[at + max(alike - 1, 0)]
        if alike:
            self._wait_until(self.met + 1)
            return at + alike
        self._take(at, hit=True)
        return at + 1

    def _before(self, at: int) -> tuple[int, str]:
        """The line before, and its number."""
        return (self.stretch.numbers[at - 1], self.stretch.lines[at - 1]) if at else self.above

    def _floods(self, at: int) -> int:
        """How many lines are one more report of one line amid many alike, and only counted."""
        alike = self.flood.count(self.stretch, at)
        if alike:
            self.counted[self.flood.fingerprint] += alike
            self.stretch.flooded.update(range(at, at + alike))
        return alike

    def _follow(self, at: int) -> int:
        """Give lines to the unfinished reports; the place of the next one to look at."""
        following = self._give(at)
        if (number := self.stretch.numbers[following - 1]) >= self.due:
            self._forget(number)
        return following

    def _give(self, at: int) -> int:
        entry = self.stretch.entry(at)
        if self._may_begin(at, entry):
            return self._meet(at)
        if not entry:
            self._take(at, hit=False)
            return at + 1
        if entry.stamped:
            self.last = entry.caller
        reports = self._reports_of(entry)
        return at + (self._extend(self._run(at), reports) if reports else 1)

    def _may_begin(self, at: int, entry: Entry | None) -> bool:
        if entry:
            return self.rules.begins[entry.text]
        raw = self.stretch.lines[at]
        if len(raw) > LONGEST_RECORD:  # not to be remembered
            return self.rules.prefilter.search(raw) is not None
        return self.rules.begins[raw]

    def _run(self, at: int) -> list[Entry]:
        """The lines of one caller that begin nothing, from this one on."""
        begins, caller, due = self.rules.begins, self.last, self.due
        run: list[Entry] = []
        for entry in self.stretch.entries(at):
            if not entry or begins[entry.text]:
                break
            if run and entry.number > due:
                break
            if entry.caller != caller and entry.stamped:
                break
            run.append(entry)
        return run

    def _forget(self, number: int) -> None:
        """Close what has had no line for long."""
        self._close([one for one in self._unfinished() if one.is_forgotten(number)])
        self._wait_until(number + 1)

    def _wait_until(self, number: int) -> None:
        """Forget no report before this line."""
        self.due = number + -number % _OFTEN

    def state(self) -> object:
        """What decides how the lines to come are read, for comparison with another reader's."""
        unfinished = self._unfinished()
        places = {id(one): place for place, one in enumerate(unfinished)}
        callers = [
            (caller, [places[id(one)] for one in reports])
            for caller, reports in self.growing.items()
        ]
        just_ended = self.ended == self.above[0]
        due = self.due if unfinished else 0
        open_reports = [astuple(one) for one in unfinished]
        return open_reports, callers, just_ended, due, self.last, self.stretch.margin, self.above

    def go_on(self, done: Iterable[Report], counted: Counter[str]) -> None:
        """Take over what a reader of the same state has found from here to the log's end."""
        seen = self.counted.copy()
        for report in done:
            seen[report.fingerprint] += 1
            if seen[report.fingerprint] <= MOST:
                self.done.append(report)
        self.counted += counted
        self.growing.clear()

    def end(self) -> None:
        """The log is at its end, and with it every report."""
        self._close([one for one in self._unfinished() if not self._is_torso(one)])

    def finish(self) -> Reports:
        """What was found in the whole log."""
        self.end()
        reports = Reports(sorted(self.done, key=lambda report: (report.start, report.end)))
        reports.left_out = sum(max(count - MOST, 0) for count in self.counted.values())
        return reports

    def _is_torso(self, last: Growing) -> bool:
        """Whether the log ends where something began that only goes on from another report."""
        if not last.is_nameless or last.kept > 1:
            return False
        ends = [one.end for one in self.done]
        ends += [] if self.ended is None else [self.ended]
        ends += [one.last_number for one in self._unfinished() if one is not last]
        return any(0 <= last.entries[0].number - end <= _NEAR for end in ends)

    def _take(self, at: int, *, hit: bool) -> None:
        entry, number = self.stretch.entry(at), self.stretch.numbers[at]
        if entry and (entry.stamped or not entry.text[:1].isspace()):
            self._take_entry(entry, hit=hit, shared=False)
            return
        records = read_records(self.stretch.lines[at])
        for record, read in records:
            line = self._bare(read, at) if hit else self._without_margin(read)
            if line.kernel:  # else user space wrote it, in between
                entry = Entry(number, record, line.text, line.seconds, line.caller, line.stamped)
                self._take_entry(entry, hit=hit, shared=record is not records[-1][0])

    def _take_entry(self, entry: Entry, *, hit: bool, shared: bool) -> None:
        if entry.stamped:
            self.last = entry.caller
        rule = self._rule_of(entry) if hit else None
        if shared and not rule and not entry.stamped and not entry.text[:1].isspace():
            return  # a program's words on the same line: its prompt, its name before each line
        if rule:
            self._close([one for one in self._reports_of(entry) if one.is_over(entry)])
            self._trigger(entry, rule, self._reports_of(entry))
        elif reports := self._reports_of(entry):
            self._extend([entry], reports)

    def _rule_of(self, entry: Entry) -> Rule | None:
        """The rule that a line of the kernel's matches; many begin with the same words."""
        known = (entry.text, entry.stamped)
        if known not in self.classified:
            if len(self.classified) >= _KNOWN:
                self.classified.clear()
            line = LogLine(entry.text, stamped=entry.stamped)
            self.classified[known] = self.rules.classify(line)
        return self.classified[known]

    def _without_margin(self, line: LogLine) -> LogLine:
        """The line of a log that is indented as a whole, without the margin."""
        if line.stamped or not self.stretch.margin:
            return line
        return line._replace(text=line.text.removeprefix(self.stretch.margin))

    def _bare(self, line: LogLine, at: int) -> LogLine:
        """A line that may begin a report, and shows by how much the log is indented as a whole."""
        within = self._without_margin(line)
        bare = line._replace(text=line.text.lstrip())
        if line.stamped or within.text == bare.text or not self.rules.classify(bare):
            return within
        blanks = line.text[: -len(bare.text)]
        if self._indents(blanks, at):
            self.stretch.margin = blanks
        return bare

    def _indents(self, blanks: str, at: int) -> bool:
        """Whether the lines below begin with these blanks too: else only one does.

        Functions of a call trace begin with a blank in any log, and tell nothing.
        """
        lines = self.stretch.lines
        near = lines[at + 1 : at + 1 + _NEAR] or lines[max(at - _NEAR, 0) : at]
        said = [line for line in near if line and not line.isspace() and "+0x" not in line]
        return bool(said) and all(line.startswith(blanks) for line in said[:2])

    def _extend(self, entries: Sequence[Entry], reports: Sequence[Growing]) -> int:
        """Give lines to reports; how many it were until all of these are over."""
        over = [
            (place, one) for one in reports if (place := one.take(entries, self.rules)) is not None
        ]
        over.sort(key=lambda pair: pair[0])
        self._close([one for _, one in over])
        return over[-1][0] + 1 if over and len(over) == len(reports) else len(entries)

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
            self._extend([entry], others)
            return
        begun = Growing.begin(rule, entry)
        if (rule.single or not begun.fails) and any(one.fails and not one.ended for one in others):
            self._extend([entry], others)  # a line or a note does not break a splat in two
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
            self._extend([entry], reports)
        return bool(within)

    def _begin(self, begun: Growing, entry: Entry, reports: list[Growing]) -> None:
        if not begun.is_sure:  # it may be nothing: what is open goes on
            self._extend([entry], reports)
            self.growing[self.last] = [*self._reports_of(entry), begun]
            return
        mixed = [one for one in reports if one.mixes_with(entry)][-_MIXED:]
        # A processor that was asked for its backtrace has a report of its own now: not closed.
        self._close([o for o in reports if o not in mixed and o.caller == entry.caller])
        for one in mixed:
            one.take([entry], self.rules)
            one.owed += 1
            begun.owed = one.owed
        ends = [one.last_number for one in reports if one.ended]
        if entry.number - 1 not in [*ends, self.ended]:  # it closed the one before
            self._add_frame(begun, entry)
        self.growing[self.last] = [*mixed, begun]

    def _add_frame(self, begun: Growing, entry: Entry) -> None:
        """KASAN and lockdep draw a line above the first."""
        number, raw = self._before(bisect_left(self.stretch.numbers, entry.number))
        if number != entry.number - 1:
            return
        record, line = read_records(raw)[-1]
        above = self._without_margin(line)
        if above.caller == entry.caller and self.rules.frame.match(above.text):
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
        self.ended = report.last_number
        if self.counted[blamed.fingerprint] <= MOST:
            self.done.append(report.finished(blamed))
        elif len(records := report.records) <= _NEAR:
            self.flood.learn(blamed.fingerprint, records)
