# SPDX-License-Identifier: Apache-2.0
"""Reads the page dumps in a kernel log, whatever stands around them."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hotremove.observe.kernellog.logline import read_records
from hotremove.observe.kernellog.places import lines_with
from hotremove.observe.kernellog.stretch import Stretch, stretches
from hotremove.observe.pagedump.dump import PageDump
from hotremove.observe.pagedump.fields import (
    Fields,
    begins,
    continues,
    first_line,
    mapping_word,
    pfn_of,
)
from hotremove.observe.pagedump.stacks import OwnerReader

# One of these is in each line that begins a dump or says something of the next one.
_NEEDLES = (
    "mapcount:",
    "migrating pfn ",
    "failed to isolate pfn ",
    "BUG: Bad page",
    "uninitialized and poisoned",
)
# And one of these in every other line that means something, but for a stack's functions.
_FURTHER = (
    "page",
    "flags: 0x",
    "ops",
    "head:",
    "raw: ",
    "memcg:",
    "anon",
    "ksm",
    "address_space_operations",
)

_OWN_WORDS = frozenset({"slab", "table", "buddy", "hugetlb"})  # types that use the mapping's place
_LONGEST_DUMP = 100  # lines, with stacks and interleaved strangers
_MANY_CALLERS = 8  # whose dumps are looked through for those that have ended
_LONGEST_RAW = 1 << 16  # characters of one line of the log
_ANNOUNCING = ("migrating pfn ", "failed to isolate pfn ", "BUG: Bad page")
_ATTEMPT = re.compile(r"migrating pfn ([0-9a-f]+) failed ret:(-?\d+)")
_ISOLATION = re.compile(r"failed to isolate pfn ([0-9a-f]+)")
_BAD_PAGE = re.compile(r"BUG: Bad page (?:state|cache) in process .{0,40} pfn:([0-9a-f]+)")


def parse_dumps(lines: Iterable[str]) -> list[PageDump]:
    """Every page dump in a kernel log, in order; each printk caller's lines are kept apart.

    A line that fits no dump is passed over, and a dump cut short keeps what was there.
    """
    parser = DumpParser()
    ended = [
        one
        for stretch in stretches(lines)
        for one in parser.read(stretch, parser.telling(stretch), 0, len(stretch.lines))
    ]
    dumps = [one.finished() for one in (*ended, *parser.finish())]
    return sorted(dumps, key=lambda dump: dump.start)


@dataclass(slots=True)
class Growing:
    """A dump of which more lines may come; the first is looked at closely only in the end.

    Attributes:
        start: number of its first line.
        first: what that says.
        seconds: when it was printed.
        said: what the line before said of the page.
        fields: attributes of the `PageDump` that further lines gave.
        owner: what page_owner said below it.
        word: which line of words gave the mapping: the head's says more than a tail's.
    """

    start: int
    first: str
    seconds: float | None
    said: Fields
    fields: dict[str, Any] = field(default_factory=dict)
    owner: OwnerReader = field(default_factory=OwnerReader)
    word: str = ""

    @property
    def pfn(self) -> int | None:
        """Its page frame, as far as it was named."""
        return pfn_of(self.first) or self.said.get("pfn")

    @property
    def last(self) -> int:
        """Number of the last line that is known to be its."""
        return int(self.fields.get("end", self.start))

    def is_over(self, number: int) -> bool:
        """Whether a line with this number comes too late to belong to it."""
        return number - self.start > _LONGEST_DUMP

    def take(self, text: str, number: int) -> bool:
        """Add what one more line says; False when the dump is over."""
        if self.is_over(number):
            return False
        ended = "reason" in self.fields  # what follows is page_owner's, or 5.10's memory cgroup
        said = None if ended and not text.startswith("page->mem_cgroup:") else continues(text)
        if said is not None:
            self._add(said)
            self.fields["end"] = number
        elif ended and self.owner.take(text):
            self.fields["end"] = number
        return True

    def _add(self, said: Fields) -> None:
        if "words" not in said:
            self.fields.update(said)
            return
        which, word = said["words"]
        if which != self.word and self.word != "head":
            self.fields["mapping_word"] = word
            self.word = which

    def finished(self) -> PageDump:
        """The dump, as far as it was printed."""
        fields = {**self.said, **first_line(self.first), **self.fields}
        fields |= {"pfn": self.pfn, "start": self.start, "end": self.last, "seconds": self.seconds}
        mapping = mapping_word(fields.pop("mapping_word", 0))
        if fields.get("cached") and not fields.get("kind"):
            fields["kind"] = "file"
        dump = PageDump(**fields, owner=self.owner.owner())
        return _completed(dump, mapping)


def _completed(dump: PageDump, mapping: Fields) -> PageDump:
    """With what follows from the lines together."""
    if dump.cached or not mapping or dump.kind:
        return dump
    if "reserved" in dump.flags or dump.types & _OWN_WORDS:
        return dump
    return replace(dump, **mapping)


@dataclass(slots=True)
class DumpParser:
    """Takes a log stretch by stretch and gives the dumps that have ended.

    Attributes:
        open: unfinished dumps by printk caller; None where the log names none.
        announced: what a line just before a caller's next dump said of it, and its number.
    """

    open: dict[str | None, Growing] = field(default_factory=dict)
    announced: dict[str | None, tuple[int, Fields]] = field(default_factory=dict)

    def telling(self, stretch: Stretch) -> Sequence[int]:
        """Places of the lines that mean something to it, other than a stack's functions."""
        places = list(lines_with(_NEEDLES, stretch.text))
        if places or self.open:
            places = sorted({*places, *lines_with(_FURTHER, stretch.text)})
        if not stretch.flooded:
            return places
        # What only says something of the next dump has another line of its kind below it.
        flooded, lines = stretch.flooded, stretch.lines
        return [at for at in places if at not in flooded or "mapcount:" in lines[at]]

    def read(self, stretch: Stretch, places: Sequence[int], at: int, end: int) -> Iterator[Growing]:
        """The dumps that end in some lines of a log, `places` being those that are telling."""
        while at < end:
            if not self._in_stack():
                following = bisect_left(places, at)
                at = places[following] if following < len(places) else end
            if at < end:
                yield from self._take(stretch, at)
            at += 1
        if self.open:
            yield from self._forget(stretch.numbers[end - 1])
        if self.announced:
            self._forget_announced(stretch.numbers[end - 1])

    def finish(self) -> list[Growing]:
        """The dumps that had not ended."""
        done = list(self.open.values())
        self.open.clear()
        return done

    def _in_stack(self) -> bool:
        """Whether the next line may be one of page_owner's functions."""
        return any(one.owner.open is not None for one in self.open.values())

    def _take(self, stretch: Stretch, at: int) -> list[Growing]:
        number, entry = stretch.numbers[at], stretch.entry(at)
        if entry:
            return self._take_message(number, entry.caller, entry.seconds, entry.text.strip())
        done: list[Growing] = []
        for _, line in read_records(stretch.lines[at][:_LONGEST_RAW]):
            done += self._take_message(number, line.caller, line.seconds, line.text.strip())
        return done

    def _take_message(
        self, number: int, caller: str | None, seconds: float | None, text: str
    ) -> list[Growing]:
        if begins(text):
            return self._begin(text, caller, seconds, number)
        if text.startswith(_ANNOUNCING):
            self._announce(text, caller, number)
        return self._continue(text, caller, number) if caller in self.open else []

    def _begin(
        self, text: str, caller: str | None, seconds: float | None, number: int
    ) -> list[Growing]:
        done = self._forget(number) if len(self.open) > _MANY_CALLERS else []
        if caller in self.open:
            done.append(self.open.pop(caller))
        at, said = self.announced.pop(caller, (number, {}))
        near = number - at <= _LONGEST_DUMP
        self.open[caller] = Growing(number, text, seconds, said if near else {})
        return done

    def _continue(self, text: str, caller: str | None, number: int) -> list[Growing]:
        return [] if self.open[caller].take(text, number) else [self.open.pop(caller)]

    def _forget(self, number: int) -> list[Growing]:
        """End the dumps that this line would come too late for."""
        old = [caller for caller, one in self.open.items() if one.is_over(number)]
        return [self.open.pop(caller) for caller in old]

    def _forget_announced(self, number: int) -> None:
        """No dump that a line below this one begins was announced far above."""
        near = self.announced.items()
        self.announced = {who: it for who, it in near if number - it[0] < _LONGEST_DUMP}

    def _announce(self, text: str, caller: str | None, number: int) -> None:
        """What the next dump of this caller will be about."""
        if found := _ATTEMPT.match(text):
            self.announced[caller] = number, {"pfn": int(found[1], 16), "ret": int(found[2])}
        elif found := _ISOLATION.match(text) or _BAD_PAGE.match(text):
            self.announced[caller] = number, {"pfn": int(found[1], 16)}
