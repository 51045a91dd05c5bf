# SPDX-License-Identifier: Apache-2.0
"""Reads the page dumps in a kernel log, whatever stands around them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from hotremove.observe.kernellog.logline import SKIPPED, read_plain, read_records
from hotremove.observe.pagedump.dump import PageDump
from hotremove.observe.pagedump.fields import Fields, begins, continues, mapping_word
from hotremove.observe.pagedump.stacks import OwnerReader

NEEDLES = (
    "mapcount:",
    "migrating pfn ",
    "failed to isolate pfn ",
    "BUG: Bad page",
    "uninitialized and poisoned",
)
"""Texts one of which is in each line that begins a dump or says something of the next one."""

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
    done = [dump for number, raw in enumerate(lines, 1) for dump in parser.take(number, raw)]
    return sorted([*done, *parser.finish()], key=lambda dump: dump.start)


@dataclass(slots=True)
class _Open:
    """A dump of which more lines may come.

    Attributes:
        start: its first line.
        fields: attributes of the `PageDump` so far.
        owner: what page_owner said below it.
        word: which line of words gave the mapping: the head's says more than a tail's.
    """

    start: int
    fields: dict[str, Any]
    owner: OwnerReader = field(default_factory=OwnerReader)
    word: str = ""

    def take(self, text: str, number: int) -> bool:
        """Add what one more line says; False when the dump is over."""
        if number - self.start > _LONGEST_DUMP:
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
        fields = dict(self.fields)
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


def _may_continue(raw: str) -> bool:
    """Whether it looks like a further line of a dump, other than a stack's functions."""
    return (
        "page" in raw
        or "flags: 0x" in raw
        or "ops" in raw
        or "head:" in raw
        or "raw: " in raw
        or "memcg:" in raw
        or "anon" in raw
        or "ksm" in raw
        or "address_space_operations" in raw
    )


@dataclass(slots=True)
class DumpParser:
    """Takes a log line by line and gives the dumps that have ended.

    Attributes:
        open: unfinished dumps by printk caller; None where the log names none.
        announced: what the line before a caller's next dump said of it.
    """

    open: dict[str | None, _Open] = field(default_factory=dict)
    announced: dict[str | None, Fields] = field(default_factory=dict)

    @property
    def idle(self) -> bool:
        """Whether only lines with one of `NEEDLES` mean anything to it."""
        return not self.open

    def may_mean(self, number: int, raw: str) -> bool:
        """Whether a line without any of `NEEDLES` means something; quick, and True too often."""
        for one in self.open.values():
            if one.owner.open is not None or number - one.start > _LONGEST_DUMP:
                return True  # a stack that goes on, or a dump that is over
        if all("reason" in one.fields for one in self.open.values()):
            return "page" in raw  # as all that page_owner says
        return _may_continue(raw)

    def take(self, number: int, raw: str) -> list[PageDump]:
        """Read a line of the log; its number is counted from 1."""
        plain = read_plain(raw)
        if plain:
            return self._take_message(number, plain[1], plain[2], plain[3].strip())
        done: list[PageDump] = []
        for _, line in read_records(raw[:_LONGEST_RAW]) if raw != SKIPPED else ():
            done += self._take_message(number, line.caller, line.seconds, line.text.strip())
        return done

    def finish(self) -> list[PageDump]:
        """The dumps that had not ended."""
        done = [one.finished() for one in self.open.values()]
        self.open.clear()
        return done

    def _take_message(
        self, number: int, caller: str | None, seconds: float | None, text: str
    ) -> list[PageDump]:
        if text.startswith("page:") and (begun := begins(text)):
            return self._begin(begun, caller, seconds, number)
        if text.startswith(_ANNOUNCING):
            self._announce(text, caller)
        return self._continue(text, caller, number) if caller in self.open else []

    def _begin(
        self, begun: Fields, caller: str | None, seconds: float | None, number: int
    ) -> list[PageDump]:
        done = self._forget(number) if len(self.open) > _MANY_CALLERS else []
        if caller in self.open:
            done.append(self.open.pop(caller).finished())
        said = self.announced.pop(caller, {})
        fields = {**said, **begun, "seconds": seconds, "start": number, "end": number}
        fields["pfn"] = begun.get("pfn") or said.get("pfn")
        self.open[caller] = _Open(number, fields)
        return done

    def _continue(self, text: str, caller: str | None, number: int) -> list[PageDump]:
        if self.open[caller].take(text, number):
            return []
        return [self.open.pop(caller).finished()]

    def _forget(self, number: int) -> list[PageDump]:
        """End the dumps of callers that have fallen silent."""
        old = [
            caller
            for caller, one in self.open.items()
            if number - int(one.fields["end"]) > _LONGEST_DUMP
        ]
        return [self.open.pop(caller).finished() for caller in old]

    def _announce(self, text: str, caller: str | None) -> None:
        """What the next dump of this caller will be about."""
        if found := _ATTEMPT.match(text):
            self.announced[caller] = {"pfn": int(found[1], 16), "ret": int(found[2])}
        elif found := _ISOLATION.match(text) or _BAD_PAGE.match(text):
            self.announced[caller] = {"pfn": int(found[1], 16)}
