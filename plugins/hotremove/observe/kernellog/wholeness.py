# SPDX-License-Identifier: Apache-2.0
"""Whether a kernel's log is whole: a report in what was lost would be seen by nobody.

Records of /dev/kmsg are numbered without gaps (Documentation/ABI/testing/dev-kmsg). A reader that
the ring has overtaken goes on at the oldest record that is left; a console that lags behind says
how many messages it has dropped (kernel/printk/printk.c).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from hotremove.errors import GuestLost
from hotremove.observe.kernellog.report import Report

_NUMBER = re.compile(r"\d+,(\d+),\d+,[^;]*;")
# What guests/agent/evidence.c writes in place of what it could not read.
_OVERRUN = "4,0,0,-;evidence: records lost, the ring was overrun"
_DROPPED = re.compile(r"\*\* (\d+) printk messages dropped \*\*")


class LogNotWhole(GuestLost):
    """Records of a kernel's log are lost, so that nobody knows what it reported.

    Attributes:
        reports: what the rest of the log has, which may be evidence all the same.
    """

    def __init__(self, complaint: str, reports: Sequence[Report]) -> None:
        super().__init__(complaint)
        self.reports = tuple(reports)


def count_lost(lines: Iterable[str], first: int | None = None) -> int:
    """How many records are missing among these of /dev/kmsg; at least as many.

    `first` is the number of the first record there was, or None where that is not known. Numbers
    that were seen already come again where the reader was started anew.
    """
    lost, due = 0, first
    for line in lines:
        if line.startswith(_OVERRUN):
            lost += due is None  # else the next number tells how many
        elif found := _NUMBER.match(line):
            number = int(found[1])
            lost += max(number - due, 0) if due is not None else 0
            due = max(number + 1, due or 0)
    return lost


def count_dropped(console: str) -> int:
    """How many messages a console says it has dropped."""
    return sum(int(number) for number in _DROPPED.findall(console))
