# SPDX-License-Identifier: Apache-2.0
"""Some thousands of lines of a log, looked at as one text wherever that is quicker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import accumulate, compress, islice
from typing import NamedTuple

from hotremove.observe.kernellog.logline import (
    IS_ORDINARY,
    LONGEST_RECORD,
    PLAIN,
    SKIPPED,
    is_bare,
    is_ordinary,
    may_have_stamps,
    read_records,
)
from hotremove.observe.kernellog.places import joined
from hotremove.observe.kernellog.remembered import Remembered

LINES = 4096
"""Lines of a stretch; the last of a log may have fewer."""

_BLOCK = 256  # lines taken apart at once: of a log that is mostly quiet few are looked at
_KNOWN = 8192  # lines of which it is remembered what they say


class Entry(NamedTuple):
    """One record of a log near a report: a tuple, for they are many and tuples are made quickest.

    Attributes:
        number: its line in the log, counted from 1.
        record: as it stands in the log.
        text: the message.
        seconds: time since boot, when the log says so.
        caller: thread or processor that printed it, when the log says so.
        stamped: a kernel timestamp, level or journal tag stood before the message.
    """

    number: int
    record: str
    text: str
    seconds: float | None
    caller: str | None
    stamped: bool = True


# An Entry without its number.
_Said = tuple[str, str, float | None, str | None, bool]


def _say(raw: str, margin: str) -> _Said | None:
    """What a line says, wherever it stands; None where it is no single line of the kernel's."""
    if is_bare(raw):
        return raw, raw.removeprefix(margin), None, None, False
    records = read_records(raw)
    record, line = records[0]
    if len(records) > 1 or not line.kernel:
        return None
    text = line.text if line.stamped else line.text.removeprefix(margin)
    return record, text, line.seconds, line.caller, line.stamped


@lru_cache(maxsize=4)
def _sayings(margin: str) -> Remembered[_Said | None]:
    """What lines say in a log with this margin: without stamps few of them differ."""
    return Remembered(lambda raw: _say(raw, margin), _KNOWN)


class Stretch:
    """Lines of a log that follow one another, without those that hold no message.

    Attributes:
        numbers: of its lines in the log, counted from 1.
        lines: as they were read.
        flooded: places of lines that are one more report of one line amid many alike.
    """

    def __init__(self, first: int, lines: list[str]) -> None:
        self.numbers: Sequence[int] = range(first, first + len(lines))
        self.lines = lines
        if SKIPPED in lines:
            holds = list(map(SKIPPED.__ne__, lines))
            self.numbers = list(compress(self.numbers, holds))
            self.lines = list(compress(lines, holds))
        self.flooded: set[int] = set()
        self._margin = ""
        self._blocks: dict[int, Sequence[Entry | None]] = {}

    @property
    def margin(self) -> str:
        """Blanks that every line of an indented log without stamps begins with."""
        return self._margin

    @margin.setter
    def margin(self, blanks: str) -> None:
        if blanks != self._margin:
            self._margin = blanks
            self._blocks.clear()

    @cached_property
    def text(self) -> str:
        """All lines, a line feed between two."""
        return joined(self.lines)

    @cached_property
    def offsets(self) -> Sequence[int]:
        """Where each line begins in `text`."""
        return list(accumulate((len(line) + 1 for line in self.lines[:-1]), initial=0))

    def entry(self, at: int) -> Entry | None:
        """What a line says; None where it is no single line of the kernel's."""
        return self._block(at // _BLOCK)[at % _BLOCK]

    def entries(self, at: int) -> Sequence[Entry | None]:
        """The same of this line and some of those that follow."""
        return self._block(at // _BLOCK)[at % _BLOCK :]

    def _block(self, number: int) -> Sequence[Entry | None]:
        block = self._blocks.get(number)
        if block is None:
            block = self._blocks[number] = self._read(number * _BLOCK)
        return block

    def _read(self, start: int) -> Sequence[Entry | None]:
        lines = self.lines[start : start + _BLOCK]
        numbers = self.numbers[start : start + _BLOCK]
        text = "\n".join(lines)
        if may_have_stamps(text):
            return self._read_stamped(numbers, lines, text)
        sayings = _sayings(self._margin)
        new = tuple.__new__  # Entry() is a function of Python's, and takes thrice as long
        return [
            (alone := sayings[raw]) and new(Entry, (number, *alone))
            if len(raw) <= LONGEST_RECORD
            else self._seldom(number, raw, "", "", "")
            for number, raw in zip(numbers, lines, strict=True)
        ]

    def _read_stamped(
        self, numbers: Sequence[int], lines: Sequence[str], text: str
    ) -> Sequence[Entry | None]:
        said = PLAIN.findall(text)
        if len(said) != len(lines):
            whole = [line.rstrip("\r\n").replace("\n", "\r") for line in lines]
            said = PLAIN.findall("\n".join(whole))
        sayings, new = _sayings(self._margin), tuple.__new__
        ordinary = is_ordinary("".join(line[-1] for line in said))  # all of them, asked once
        return [
            new(Entry, (number, raw.rstrip("\r\n"), text, float(seconds), caller or None, True))
            if seconds and (ordinary or IS_ORDINARY[text])
            else (alone := sayings[raw]) and new(Entry, (number, *alone))
            if not prefix and len(raw) <= LONGEST_RECORD
            else self._seldom(number, raw, "" if seconds else prefix, clock or stamp, text)
            for number, raw, (prefix, seconds, caller, clock, stamp, text) in zip(
                numbers, lines, said, strict=True
            )
        ]

    def _seldom(self, number: int, raw: str, tag: str, seconds: str, text: str) -> Entry | None:
        if tag and IS_ORDINARY[text]:
            clock = float(seconds) if seconds else None
            return Entry(number, raw.rstrip("\r\n"), text, clock, None)
        said = _say(raw, self._margin)
        return Entry(number, *said) if said else None


def stretches(lines: Iterable[str]) -> Iterator[Stretch]:
    """A log, some thousands of lines at once."""
    feed, first = iter(lines), 1
    while taken := list(islice(feed, LINES)):
        yield Stretch(first, taken)
        first += len(taken)
