# SPDX-License-Identifier: Apache-2.0
"""A line that comes again and again and is a report each time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hotremove.observe.kernellog.stretch import Stretch

_NUMBER = re.compile(r"( *)[0-9a-f]*[0-9][0-9a-f]*")


@dataclass(slots=True)
class Flood:
    """Which line there are too many of to be kept; none at first.

    Attributes:
        fingerprint: the reports'.
    """

    fingerprint: str = ""
    _like: str = ""
    _alike: re.Pattern[str] | None = None

    def learn(self, fingerprint: str, records: Sequence[str]) -> None:
        """Look at a report that is not kept; two in a row of one line are a flood."""
        like = {_NUMBER.sub("", record) for record in records}
        if len(like) > 1:
            return
        again = like == {self._like} and fingerprint == self.fingerprint
        self.fingerprint, self._like = fingerprint, like.pop()
        self._alike = _pattern(records[-1]) if again else None

    def count(self, stretch: Stretch, at: int) -> int:
        """How many lines from this one on are one more amid others; the last is read as any is.

        What stands around a flood may belong to its first and its last line.
        """
        if not self._alike:
            return 0
        found = self._alike.match(stretch.text, stretch.offsets[at])
        return found[0].count("\n") if found else 0


def _pattern(line: str) -> re.Pattern[str]:
    """Lines that look like it with other numbers, be their digits letters, above one more."""
    parts, at = [], 0
    for number in _NUMBER.finditer(line):
        blanks = " +" if number[1] else ""
        parts += [re.escape(line[at : number.start()]), blanks, "[0-9a-f]+"]
        at = number.end()
    alike = "".join([*parts, re.escape(line[at:]), r"\r*"])
    return re.compile(rf"(?:{alike}\n)+(?={alike}(?:\n|\Z))")
