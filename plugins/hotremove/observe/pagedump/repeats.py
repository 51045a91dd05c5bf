# SPDX-License-Identifier: Apache-2.0
"""The pages of a log, each told once however often the kernel dumped it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hotremove.observe.kernellog.logline import read_records
from hotremove.observe.kernellog.places import lines_with
from hotremove.observe.kernellog.stretch import Stretch, stretches
from hotremove.observe.pagedump.cause import Cause, cause_of
from hotremove.observe.pagedump.dump import UNMOVABLE, PageDump
from hotremove.observe.pagedump.explanation import say, title
from hotremove.observe.pagedump.reading import DumpParser, Growing
from hotremove.observe.pagedump.words import often

MOST_PAGES = 10_000
"""Pages that are told apart; a log with more of them only counts the others."""

_PASSING = frozenset({"transient", "changing"})  # what may change from one dump to the next
_ABOVE = "above"  # in the rest of a log: the cause is the one that the page had last above it
_REFUSAL = "memory offlining [mem "
_RANGE = re.compile(r"memory offlining \[mem (0x[0-9a-f]+)-(0x[0-9a-f]+)\] failed")
_PAGE_SHIFTS = (12, 14, 16)  # pages of 4, 16 and 64 KiB


_Key = tuple[int | None, str]
"""A page frame and the kind of its cause."""


@dataclass(frozen=True)
class DumpedPage:
    """A page and how often it was dumped.

    Attributes:
        dump: what was printed last.
        times: how often it was printed.
        first: time since boot of the first dump, seconds; None when the log does not say.
        last: of the last one.
        refused: the memory that did not go offline because of it, `0x150000000-0x157ffffff`.
    """

    dump: PageDump
    times: int = 1
    first: float | None = None
    last: float | None = None
    refused: str = ""

    @property
    def cause(self) -> Cause:
        """What keeps it."""
        return cause_of(self.dump, self.times)

    @property
    def often(self) -> str:
        """`3 times in 10 s, the last at 615 s`; empty for once."""
        return often(self.times, self.first, self.last)

    @property
    def said(self) -> str:
        """What is known of it but for its name and how often it was dumped."""
        refused = f" The offline of {self.refused} was refused for it." if self.refused else ""
        return f"{say(self.dump, self.times)}{refused}"

    @property
    def explanation(self) -> str:
        """What is known of it, in a few sentences."""
        often = f", {self.often}" if self.often else ""
        return f"{title(self.dump)}{often}: {self.said}"


@dataclass(slots=True)
class _Count:
    """A page so far; its attributes are those of `DumpedPage`, and where it was dumped first."""

    start: int
    dump: PageDump
    times: int
    first: float | None
    last: float | None
    refused: str = ""

    def go_on(self, later: _Count) -> None:
        """Count further dumps; one that was cut short says less than those before."""
        self.times += later.times
        self.first = later.first if self.first is None else self.first
        self.last = later.last
        if later.dump.reason is not None:
            self.dump = later.dump

    def told(self) -> DumpedPage:
        """The page as it is now."""
        return DumpedPage(self.dump, self.times, self.first, self.last, self.refused)


@dataclass(slots=True)
class DumpedPages:
    """Sums up the page dumps of a log, stretch by stretch; memory is bounded.

    Attributes:
        most: pages that are told apart.
        left_out: dumps of pages beyond these.
    """

    most: int = MOST_PAGES
    left_out: int = 0
    _pages: dict[_Key, _Count] = field(default_factory=dict)
    _latest: dict[int | None, tuple[PageDump, _Key]] = field(default_factory=dict)
    _parser: DumpParser = field(default_factory=DumpParser)
    _refusable: dict[_Key, None] = field(default_factory=dict)
    _refusals: dict[str, tuple[int, int]] = field(default_factory=dict)
    _is_rest: bool = False

    @classmethod
    def of(cls, lines: Iterable[str]) -> DumpedPages:
        """The pages of a whole log."""
        pages = cls()
        for stretch in stretches(lines):
            pages.read(stretch)
        pages.end()
        return pages

    @property
    def pages(self) -> tuple[DumpedPage, ...]:
        """Each page once, in the order in which they were dumped first."""
        pages = sorted(self._pages.values(), key=lambda page: page.start)
        return tuple(page.told() for page in pages)

    def read(self, stretch: Stretch) -> None:
        """Take the next stretch of lines, in which the reports were found already."""
        telling, start = self._parser.telling(stretch), 0
        for refused in lines_with((_REFUSAL,), stretch.text):
            self._read_dumps(stretch, telling, start, refused + 1)
            self._refuse(stretch.lines[refused])
            start = refused + 1
        self._read_dumps(stretch, telling, start, len(stretch.lines))

    def _read_dumps(self, stretch: Stretch, telling: Sequence[int], start: int, end: int) -> None:
        for dump in self._parser.read(stretch, telling, start, end):
            self._add(dump)

    def state(self) -> object:
        """What decides how the lines to come are read, for comparison with another reader's."""
        return list(self._parser.open.items()), self._parser.announced

    def further(self, most: int) -> DumpedPages:
        """For the pages that are dumped from here on, by themselves, to be given to `go_on()`."""
        return DumpedPages(most, _parser=self._parser, _is_rest=True)

    def go_on(self, later: DumpedPages) -> bool:
        """Take over what a reader of the same state has counted from here to the log's end.

        False, with nothing changed, where it had to leave out what may be known here.
        """
        if later.left_out or len(later._refusals) >= later.most:
            return False
        self._parser = DumpParser()
        for name, (start, end) in later._refusals.items():
            self._name_range(start, end, name)
        for (pfn, kind), count in later._pages.items():
            self._count(self._key_above(count.dump) if kind == _ABOVE else (pfn, kind), count)
        return True

    def end(self) -> None:
        """The log is at its end, or nothing may be added to what was dumped last."""
        for dump in self._parser.finish():
            self._add(dump)

    def _add(self, ended: Growing) -> None:
        if ended.pfn not in self._latest and len(self._pages) >= self.most:
            self.left_out += 1
            return
        dump = ended.finished()
        one = _Count(dump.start, dump, 1, dump.seconds, dump.seconds)
        self._count(self._key(dump), one)

    def _count(self, key: _Key, count: _Count) -> None:
        """Take dumps into account that are told as one, if there is room for it."""
        if known := self._pages.get(key):
            known.go_on(count)
        elif len(self._pages) >= self.most:
            self.left_out += count.times
        else:
            self._pages[key] = count
            if count.dump.reason == UNMOVABLE:
                self._refusable[key] = None

    def _key(self, dump: PageDump) -> _Key:
        """What is told as one: a page held by one cause."""
        last = self._latest.get(dump.pfn)
        if last and (last[0] == dump or dump.reason is None):
            return last[1]  # most are repeats, and finding the cause takes the most time
        key = self._new_key(dump)
        self._latest[dump.pfn] = dump, key
        return key

    def _new_key(self, dump: PageDump) -> _Key:
        if self._is_rest and dump.reason is None:
            return dump.pfn, _ABOVE
        kind = cause_of(dump).kind
        return dump.pfn, "" if kind in _PASSING else kind

    def _key_above(self, dump: PageDump) -> _Key:
        """What a dump is told as that was cut short, and the first of its page in the rest."""
        last = self._latest.get(dump.pfn)
        return last[1] if last else self._new_key(dump)

    def _refuse(self, raw: str) -> None:
        """An offline failed: the unmovable pages that were dumped for it get to know."""
        self.end()
        for _, line in read_records(raw):
            found = _RANGE.search(line.text)
            if found:
                name, start, end = f"{found[1]}-{found[2]}", int(found[1], 0), int(found[2], 0)
                if len(self._refusals) < self.most:
                    self._refusals[name] = start, end
                self._name_range(start, end, name)

    def _name_range(self, start: int, end: int, name: str) -> None:
        inside = [key for key in self._refusable if _is_inside(key[0], start, end)]
        for key in inside:
            self._pages[key].refused = name
            del self._refusable[key]


def _is_inside(pfn: int | None, start: int, end: int) -> bool:
    """Whether a page lies in a range of bytes, however large the machine's pages are."""
    return pfn is not None and any(start <= pfn << shift <= end for shift in _PAGE_SHIFTS)
