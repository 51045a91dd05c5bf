# SPDX-License-Identifier: Apache-2.0
"""Something that a kernel reported, as a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """Something that a kernel reported.

    Attributes:
        kind: what it is, `warning`, `kasan`, `hung-task`: the word that an allowance names.
        severity: `splat` fails a scenario, `note` only informs.
        title: the line that says it best, without timestamp.
        fingerprint: the same for the same fault in another run; `kind:function:function`.
        text: its lines as they stand in the log, those of other printk callers left out.
        trace: functions of the stack that tells where it happened, innermost first, without clone
            suffixes.
        place: the function that its lines or registers name, when they do.
        start: line of the log where it begins, counted from 1.
        end: last line, inclusive; lines of others may stand between.
        caller: thread (`T12`) or processor (`C0`) that printed it, when the log says so.
        seconds: time since boot when it began, when the log says so.
        panicked: the kernel stopped for good.
        rule: name of the rule that gave the title.
    """

    kind: str
    severity: str
    title: str
    fingerprint: str
    text: str
    trace: tuple[str, ...]
    place: str | None
    start: int
    end: int
    caller: str | None
    seconds: float | None
    panicked: bool
    rule: str

    @property
    def fails(self) -> bool:
        """Whether a scenario fails because of it, unless it is allowed."""
        return self.severity == "splat"


class Reports(list[Report]):
    """The reports of a log, in the order in which they begin.

    Attributes:
        left_out: how many more there were, each with the fingerprint of many in the list.
    """

    left_out: int = 0
