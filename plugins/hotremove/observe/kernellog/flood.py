# SPDX-License-Identifier: Apache-2.0
"""A line that comes again and again and is a report each time."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

_NUMBER = re.compile(r"( *)[0-9a-f]*[0-9][0-9a-f]*")


@dataclass(slots=True)
class Flood:
    """Which line there are too many of to be kept; none at first.

    Attributes:
        fingerprint: the reports'.
    """

    fingerprint: str = ""
    _like: str = ""
    _is_alike: Callable[[str], object] | None = None
    _seen: str = field(default="\n", repr=False)  # a line that is known to be alike

    def learn(self, fingerprint: str, records: Sequence[str]) -> None:
        """Look at a report that is not kept; two in a row of one line are a flood."""
        like = {_NUMBER.sub("", record) for record in records}
        if len(like) > 1:
            return
        again = like == {self._like} and fingerprint == self.fingerprint
        self.fingerprint, self._like = fingerprint, like.pop()
        self._is_alike = _pattern(records[-1]).fullmatch if again else None

    def takes(self, line: str, following: str) -> bool:
        """Whether a line is one more amid others; the last is read as any line is.

        What stands around a flood may belong to its first and its last line.
        """
        if self._is_alike is None:
            return False
        if line is not self._seen and not self._is_alike(line):
            return False
        if not self._is_alike(following):
            return False
        self._seen = following
        return True


def _pattern(line: str) -> re.Pattern[str]:
    """What the line looks like with other numbers in it, be their digits letters."""
    parts, at = [], 0
    for number in _NUMBER.finditer(line):
        blanks = " +" if number[1] else ""
        parts += [re.escape(line[at : number.start()]), blanks, "[0-9a-f]+"]
        at = number.end()
    return re.compile("".join([*parts, re.escape(line[at:])]))
