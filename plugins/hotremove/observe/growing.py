# SPDX-License-Identifier: Apache-2.0
"""A report of which more lines may come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from hotremove.observe.calltrace import call_trace, fingerprint, place
from hotremove.observe.logline import LogLine
from hotremove.observe.report import Report
from hotremove.observe.rules import Rule, Rules


class Entry(NamedTuple):
    """One record of a log: its line number from 1, as it stands there, and taken apart.

    A tuple, for there is one for each line near a report, and tuples are made quickest.
    """

    number: int
    record: str
    line: LogLine


LONGEST = 2000
"""Lines of one report; what comes after is cut off."""

FORGOTTEN = 200
"""Lines of others after which a report is over."""

_SILENCE = 10.0  # seconds of kernel time after which a report is over
_LONGEST_TITLE = 300  # characters


@dataclass(slots=True)
class Growing:
    """What is known of a report so far.

    Attributes:
        rule: the rule that names it.
        ends: the expression that ends it is this rule's.
        entries: its records so far.
        kept: how many of `entries` are certain to belong to it.
        strangers: lines in a row that look like no part of it.
        ended: the mark that ends it was seen; registers or a panic may still follow.
        asks_processors: it makes other processors print their backtraces.
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
    ended: bool = False
    panicked: bool = False
    asks_processors: bool = False

    @classmethod
    def begin(cls, rule: Rule, entry: Entry) -> Growing:
        """A report that starts with this line."""
        return cls(
            rule=rule,
            title=_title(entry.line.text),
            ends=rule,
            entries=[entry],
            caller=entry.line.caller,
            seconds=entry.line.seconds,
            clock=entry.line.seconds,
            kept=1,
            panicked=rule.kind == "panic",
        )

    def put_before(self, entry: Entry) -> None:
        """Add the line above the first."""
        self.entries.insert(0, entry)
        self.kept += 1

    def accepts(self, rule: Rule) -> bool:
        """Whether a line that could begin a report of its own continues this one."""
        if (self.has_trace or self.ended) and not rule.late:
            return False
        return self.rule.kind in rule.joins or ("*" in rule.joins and self.fails)

    @property
    def fails(self) -> bool:
        """Whether it is a splat."""
        return self.rule.severity == "splat"

    def is_forgotten(self, number: int) -> bool:
        """Whether it has had no line for long, or has too many."""
        return len(self.entries) >= LONGEST or number - self.entries[-1].number > FORGOTTEN

    def is_over(self, entry: Entry) -> bool:
        """Whether too much time or text lies between for this line to belong to it."""
        seconds = entry.line.seconds
        if seconds is None or self.clock is None:
            return self.is_forgotten(entry.number)
        return (
            self.is_forgotten(entry.number) or abs(seconds - self.clock) > _SILENCE
        )  # back in time: a reboot

    def adopt(self, rule: Rule, entry: Entry) -> None:
        """Continue with a line of another rule, which may name the report better."""
        self._add(entry)
        self.kept, self.strangers = len(self.entries), 0
        if rule.rank > self.rule.rank:
            self.rule, self.title = rule, _title(entry.line.text)
        self.ends, self.ended = rule, False
        self.panicked |= rule.kind == "panic"

    def take(self, entry: Entry, rules: Rules) -> bool:
        """Take a line that begins nothing; False when the report turns out to be over."""
        text = entry.line.text
        self._add(entry)
        if not text or text.isspace():
            return True
        if not self.has_trace:
            self._learn(text, rules)
        self.asks_processors |= text.startswith("Sending NMI")
        if self._belongs(text, rules):
            self.kept, self.strangers = len(self.entries), 0
            return True
        self.strangers += 1
        return self.strangers <= self.ends.slack

    def finished(self, rules: Rules) -> Report:
        """The report, without the strangers at its end."""
        kept = self.entries[: self.kept]
        messages = [entry.line.text for entry in kept]
        kind = "warning" if self.rule.kind == "cut-here" else self.rule.kind
        trace = call_trace(messages, rules)
        blamed = place(self.title, messages)
        return Report(
            kind=kind,
            severity=self.rule.severity,
            title=self.title,
            fingerprint=fingerprint(kind, self.title, blamed, trace, rules),
            text="\n".join(entry.record for entry in kept),
            trace=trace,
            place=blamed,
            start=kept[0].number,
            end=kept[-1].number,
            caller=self.caller,
            seconds=self.seconds,
            panicked=self.panicked,
            rule=self.rule.name,
        )

    def _learn(self, text: str, rules: Rules) -> None:
        """What only the lines before a call trace tell."""
        if self.rule.kind == "cut-here" and len(self.entries) == 2:
            self.title = _title(text)  # what WARN() was told to say
        self.has_trace = rules.trace.match(text) is not None

    def _add(self, entry: Entry) -> None:
        self.entries.append(entry)
        if entry.line.seconds is not None:
            self.clock = entry.line.seconds

    def _belongs(self, text: str, rules: Rules) -> bool:
        if self.ended:
            return rules.after.match(text) is not None
        if self.ends.ends.match(text):
            self.ended = True
            return True
        return rules.body.match(text) is not None


def _title(text: str) -> str:
    return text.strip()[:_LONGEST_TITLE]
