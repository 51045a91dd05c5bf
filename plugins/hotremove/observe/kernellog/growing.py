# SPDX-License-Identifier: Apache-2.0
"""A report of which more lines may come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hotremove.observe.kernellog.blame import Blame, blame
from hotremove.observe.kernellog.report import Report
from hotremove.observe.kernellog.rules import ASKING, BLANK, MARK, PART, STRANGE, Rule, Rules
from hotremove.observe.kernellog.stretch import Entry

LONGEST = 2000
"""Lines of one report; what comes after is cut off."""

FORGOTTEN = 200
"""Lines of others after which a report is over."""

_BREATH = 1.0  # seconds of kernel time between lines of reports that are mixed
_SILENCE = 10.0  # seconds of kernel time after which a report is over
_LONGEST_TITLE = 300  # characters
_REASON = "page dumped because: "


@dataclass(slots=True, eq=False)
class Growing:
    """What is known of a report so far.

    Attributes:
        rule: the rule that names it.
        ends: the expression that ends it is this rule's.
        entries: its records so far.
        kept: how many of `entries` are certain to belong to it.
        strangers: lines in a row that look like no part of it.
        owed: marks of an end still to come before it has ended: one, and one more for each report
            that a log without callers mixes with it. Registers or a panic may follow the last.
        asks_processors: it makes other processors print their backtraces.
        has_dump: a page dump is part of it.
        is_sure: something else than a call trace shows that it is a report.
    """

    rule: Rule
    title: str
    ends: Rule
    entries: list[Entry]
    caller: str | None = None
    seconds: float | None = None
    clock: float | None = None
    kept: int = 0
    strangers: int = 0
    has_trace: bool = False
    owed: int = 1
    panicked: bool = False
    asks_processors: bool = False
    has_dump: bool = False
    is_sure: bool = True

    @classmethod
    def begin(cls, rule: Rule, entry: Entry) -> Growing:
        """A report that starts with this line."""
        return cls(
            rule=rule,
            title=_title(entry.text),
            ends=rule,
            entries=[entry],
            caller=entry.caller,
            seconds=entry.seconds,
            clock=entry.seconds,
            kept=1,
            panicked=rule.kind == "panic",
            has_dump=rule.inner,
            is_sure=not rule.traced,
        )

    def put_before(self, entry: Entry) -> None:
        """Add the line above the first."""
        self.entries.insert(0, entry)
        self.kept += 1

    @property
    def ended(self) -> bool:
        """Whether the mark that ends it was seen."""
        return self.owed <= 0

    def accepts(self, rule: Rule) -> bool:
        """Whether a line that could begin a report of its own continues this one."""
        if (self.has_trace or self.ended) and not (rule.late or self.is_nameless):
            return False
        joins = rule.joins
        if self.rule.kind in joins or self.rule.name in joins:
            return True
        return "*" in joins and self.fails

    def embraces(self, rule: Rule) -> bool:
        """Whether such a line, which could stand alone, is one more line of this report."""
        return rule.inner and not self.ended and (self.fails or not self.has_dump)

    @property
    def is_nameless(self) -> bool:
        """Whether nothing tells yet what it is."""
        return self.rule.kind == "cut-here"

    @property
    def is_real(self) -> bool:
        """Whether it is a report at all."""
        return self.is_sure or self.has_trace

    @property
    def last_number(self) -> int:
        """The last line that is certain to belong to it."""
        return self.entries[self.kept - 1].number

    @property
    def fails(self) -> bool:
        """Whether it is a splat."""
        return self.rule.severity == "splat"

    def is_forgotten(self, number: int) -> bool:
        """Whether it has had no line for long, or has too many."""
        return len(self.entries) >= LONGEST or number - self.entries[-1].number > FORGOTTEN

    def is_over(self, entry: Entry) -> bool:
        """Whether too much time lies between for this line to belong to it, or a reboot."""
        then, now = self.clock, entry.seconds
        return then is not None and now is not None and abs(now - then) > _SILENCE

    def mixes_with(self, entry: Entry) -> bool:
        """Whether a report that begins here may go on between this one's lines.

        Two processors that print at once, in a log that does not name callers: neither can be
        told from the other, so both keep all lines until as many ends were seen as beginnings.
        """
        if self.caller or self.ended or not self.fails or not self.ends.end:
            return False
        then, now = self.clock, entry.seconds
        return then is None or now is None or abs(now - then) < _BREATH

    def adopt(self, rule: Rule, entry: Entry) -> None:
        """Continue with a line of another rule, which may name the report better."""
        self._add(entry)
        self.kept, self.strangers = len(self.entries), 0
        if rule.rank > self.rule.rank:
            self.rule, self.title = rule, _title(entry.text)
        if not rule.single:
            self.ends, self.owed = rule, max(self.owed, 1)
        self.panicked |= rule.kind == "panic"
        self.is_sure |= not rule.traced

    def take(self, entries: Sequence[Entry], rules: Rules) -> int | None:
        """Take lines that begin nothing; the place of the one at which it is over, if it is."""
        # All in one, and in local variables: each line of each report that is open comes here.
        parts = rules.remains if self.ended else rules.parts
        count, clock, kept, strangers = len(self.entries), self.clock, self.kept, self.strangers
        over, end = None, len(entries)
        for place, entry in enumerate(entries):
            text, now = entry.text, entry.seconds
            if now is not None and clock is not None and abs(now - clock) > _SILENCE:
                over = end = place
                break
            clock = clock if now is None else now
            if not self.has_trace:
                self._learn(text, count + place, rules)
            part = parts[text]
            if part >= PART:
                kept, strangers = count + place + 1, 0
                if part == MARK:
                    self._mark(text)
                    parts = rules.remains if self.ended else rules.parts
            elif part == STRANGE:
                # Not a program's line in a log where the kernel's have times.
                strangers += self.seconds is None or now is not None
                if strangers > self.ends.slack:
                    over, end = place, place + 1
                    break
        self.entries += entries[:end]
        self.clock, self.kept, self.strangers = clock, kept, strangers
        return over

    def _mark(self, text: str) -> None:
        """A line that ends it, perhaps, or makes other processors print their backtraces."""
        if self.owed > 0 and self.ends.end and self.ends.end.match(text):
            self.owed -= 1
        else:
            self.asks_processors |= text.startswith(ASKING)

    @property
    def kind(self) -> str:
        """The report's kind."""
        return "warning" if self.is_nameless else self.rule.kind

    @property
    def records(self) -> list[str]:
        """Its lines as they stand in the log, without the strangers at its end."""
        return [entry.record for entry in self.entries[: self.kept]]

    def blamed(self, rules: Rules) -> Blame:
        """Where it happened."""
        messages = [entry.text for entry in self.entries[: self.kept]]
        return blame(self.kind, self.title, messages, rules)

    def finished(self, blamed: Blame) -> Report:
        """The report, without the strangers at its end."""
        return Report(
            kind=self.kind,
            severity=self.rule.severity,
            title=self.title,
            fingerprint=blamed.fingerprint,
            text="\n".join(self.records),
            trace=blamed.trace,
            place=blamed.place,
            start=self.entries[0].number,
            end=self.last_number,
            caller=self.caller,
            seconds=self.seconds,
            panicked=self.panicked,
            rule=self.rule.name,
        )

    def _learn(self, text: str, place: int, rules: Rules) -> None:
        """What only the lines before a call trace tell; `place` counts from its first."""
        if (part := rules.parts[text]) == BLANK:
            return
        if place == 1 and self.is_nameless and part == STRANGE:
            self.title = _title(text)  # what WARN() was told to say
        elif self.rule.inner and text.startswith(_REASON):
            self.title = _title(text)
        self.has_trace = "race" in text and rules.traces[text]

    def _add(self, entry: Entry) -> None:
        self.entries.append(entry)
        if entry.seconds is not None:
            self.clock = entry.seconds


def _title(text: str) -> str:
    return text.strip().split("\n", maxsplit=1)[0][:_LONGEST_TITLE]
