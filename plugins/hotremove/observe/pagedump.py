# SPDX-License-Identifier: Apache-2.0
"""The page dumps that a kernel prints when memory does not leave, and what holds each page.

Two generations of the same report (`__dump_page()` in mm/debug.c): 5.10 and 6.1 begin with
`page:ADDRESS refcount:`, 6.12 and later with `page: refcount:`. What a refcount is made of follows
Documentation/core-api/pin_user_pages.rst and try_grab_page() in mm/gup.c (5.10 to 7.2).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from hotremove.observe.logline import parse_line, split_records

PIN_BIAS = 1024
"""References that one pin adds to a page without a pin counter of its own
(GUP_PIN_COUNTING_BIAS, include/linux/mm.h)."""

_RACE = 8
_LONGEST_DUMP = 60  # lines, with interleaved strangers
_PAGE = re.compile(r"page:\S*\s+refcount:(-?\d+)\s+mapcount:(-?\d+)(.*)")
_HEAD = re.compile(r"head:\S*\s+order:(\d+)(.*)")
_FLAGS = re.compile(r"(?:(anon|ksm) )?flags: 0x[0-9a-f]+(?:\((.*?)\))?(?:\s|$)")
_REASON = re.compile(r"page dumped because: (.*)")
_MEMCG = re.compile(r"(?:memcg:|page->mem_cgroup:)[0-9a-f]+")
_FILE = re.compile(r"(?:mapping->)?a_?ops:\S+")
_TYPE = re.compile(r"page_type: (.*)")
_ATTEMPT = re.compile(r"migrating pfn ([0-9a-f]+) failed ret:(-?\d+)")
_FIELD = re.compile(r"(\w+):(\S+)")
_NO_MAPPING = frozenset({"", "0", "0000000000000000", "00000000", "(null)"})


@dataclass(frozen=True)
class PageDump:
    """One dumped page. Numbers are as printed; what the kernel did not print is None.

    Attributes:
        refcount: references of the page, or of its head for a part of a large folio.
        mapcount: page-table entries that map this very page.
        pfn: page frame number.
        index: offset in its mapping, pages.
        kind: `anon`, `ksm`, `file`, or empty when the dump does not say.
        cached: a page cache or swap cache holds it (`mapping` is not null).
        flags: names of the page flags, `uptodate`, `lru`, `node=1`.
        order: the folio has 2**order pages; 0 for a single page.
        folio_mapcount: entries that map any part of the folio (6.10 and later).
        entire_mapcount: entries that map the folio as a whole.
        pincount: pins of a large folio that counts them apart.
        reason: why it was dumped, `migration failure`, `isolation failed`, `unmovable page`.
        ret: what migrate_pages() returned: an errno if negative, else pages it left.
        page_type: `buddy`, `slab` and the like, as printed.
        start: first line of the dump, counted from 1.
        end: last line of the dump, inclusive.
    """

    refcount: int
    mapcount: int
    pfn: int | None = None
    index: int | None = None
    kind: str = ""
    cached: bool = False
    flags: tuple[str, ...] = ()
    order: int = 0
    folio_mapcount: int | None = None
    entire_mapcount: int | None = None
    pincount: int | None = None
    reason: str | None = None
    ret: int | None = None
    page_type: str | None = None
    start: int = 0
    end: int = 0

    @property
    def pages(self) -> int:
        """Base pages in the folio."""
        return 1 << min(self.order, 30)

    def location(self, what: str) -> int | None:
        """The `node` or `zone` number, which %pGp prints from 5.12 on; None before."""
        for flag in self.flags:
            name, _, number = flag.partition("=")
            if name == what and number.isdigit():
                return int(number)
        return None


@dataclass(frozen=True)
class Part:
    """A share of a refcount, and what it is."""

    count: int
    words: str


@dataclass(frozen=True)
class RefcountSplit:
    """A refcount taken apart; the counts are references and add up to `refcount`.

    Attributes:
        refcount: what was split.
        pins: how many FOLL_PIN pins there are; at least so many when not `exact`.
        pinned: references those pins take: 1024 each, or 1 each where the folio counts pins apart.
        mappings: references of page tables.
        cache: references of the page cache or the swap cache, and of buffers.
        isolation: the reference that hot-remove itself holds at that moment.
        short_term: references left over: FOLL_GET users and what cannot be told from them.
        missing: references that should be there and are not; the counts changed while printed.
        exact: the dump prints enough to know the shares; otherwise they are a least.
        parts: the shares in words, largest first; empty shares are left out.
    """

    refcount: int
    pins: int
    pinned: int
    mappings: int
    cache: int
    isolation: int
    short_term: int
    missing: int
    exact: bool
    parts: tuple[Part, ...]

    def __str__(self) -> str:
        """`refcount 1026 = 1024 (1 long-term pin) + 1 (mapping) + 1 (isolation)`."""
        shares = " + ".join(f"{part.count} ({part.words})" for part in self.parts)
        lacking = f" - {self.missing} (changed while it was printed)" if self.missing else ""
        return f"refcount {self.refcount} = {shares or '0'}{lacking}"


def parse_dumps(lines: Iterable[str]) -> list[PageDump]:
    """Every page dump in a kernel log, in order; each printk caller's lines are kept apart.

    A line that fits no dump is passed over, and a dump cut short keeps what was there.
    """
    done: list[PageDump] = []
    open_dumps: dict[str | None, PageDump] = {}
    announced: dict[str | None, int] = {}
    for number, caller, text in _messages(lines):
        attempt = _ATTEMPT.match(text)
        if attempt:
            announced[caller] = int(attempt[2])
        begun = _begin(text, number, announced.get(caller))
        if begun:
            announced.pop(caller, None)
            if caller in open_dumps:
                done.append(open_dumps[caller])
            open_dumps[caller] = begun
        elif caller in open_dumps:
            open_dumps[caller] = _absorb(open_dumps[caller], text, number)
    return sorted([*done, *open_dumps.values()], key=lambda dump: dump.start)


def split_refcount(dump: PageDump) -> RefcountSplit:
    """Say what each reference of a dumped page is.

    What a dump cannot tell: whether a pin is long-term (the word is used because a pin that blocks
    an offline outlives it), whether 1024 plain references pose as a pin, and, before 6.10, how
    many page-table entries map the other pages of a large folio.
    """
    # A dump cut short may lack its reason, but not the line before it that gave `ret`.
    migrated = dump.reason is None and dump.ret is not None
    isolation = 1 if migrated or dump.reason in ("migration failure", "isolation failed") else 0
    mappings = _mapping_references(dump)
    cache = _cache_references(dump)
    left = dump.refcount - isolation - mappings - cache
    pins, pinned = _pins(dump, left)
    left -= pinned
    counts = {
        "pinned": pinned,
        "mappings": mappings,
        "cache": cache,
        "isolation": isolation,
        "short_term": max(left, 0),
    }
    exact = _is_exact(dump)
    return RefcountSplit(
        refcount=dump.refcount,
        pins=pins,
        missing=max(-left, 0),
        exact=exact,
        parts=_parts(dump, counts, pins, exact=exact),
        **counts,
    )


def explain(dump: PageDump) -> str:
    """A few sentences for a person: which page, why it was dumped, and what holds it."""
    split = split_refcount(dump)
    sentences = [f"{_name(dump)}: {split}."]
    if dump.reason:
        sentences.append(_why(dump))
    sentences.extend(_holders(split))
    if not split.exact:
        sentences.append(
            "This kernel does not print how often the whole folio is mapped:"
            " take the shares as at least."
        )
    return " ".join(sentences)


def _messages(lines: Iterable[str]) -> Iterator[tuple[int, str | None, str]]:
    for number, raw in enumerate(lines, start=1):
        for record in split_records(raw):
            line = parse_line(record)
            yield number, line.caller, line.text.strip()


def _number(text: str | None) -> int | None:
    try:
        return int(text, 0) if text else None
    except ValueError:
        return None


def _begin(text: str, number: int, ret: int | None) -> PageDump | None:
    found = _PAGE.match(text)
    if not found:
        return None
    fields = dict(_FIELD.findall(found[3]))
    return PageDump(
        refcount=int(found[1]),
        mapcount=int(found[2]),
        pfn=_number(fields.get("pfn")),
        index=_number(fields.get("index")),
        cached=fields.get("mapping", "") not in _NO_MAPPING,
        ret=ret,
        start=number,
        end=number,
    )


def _absorb(dump: PageDump, text: str, number: int) -> PageDump:
    """Add what one more line says. Lines that say nothing leave the dump as it was."""
    if number - dump.start > _LONGEST_DUMP or (dump.reason and not _MEMCG.match(text)):
        return dump  # the reason ends a dump; only 5.10 prints the memory cgroup after it
    for pattern, reader in _READERS:
        found = pattern.match(text)
        if found:
            return replace(reader(dump, found), end=number)
    if text.startswith(("raw: ", "head: ")):
        return replace(dump, end=number)
    return dump


def _read_head(dump: PageDump, found: re.Match[str]) -> PageDump:
    fields = {name: _number(value) for name, value in _FIELD.findall(found[2])}
    return replace(
        dump,
        order=int(found[1]),
        # A bare `mapcount` in the head line is the folio's total (6.10).
        folio_mapcount=fields.get("mapcount"),
        entire_mapcount=fields.get("entire_mapcount", fields.get("compound_mapcount")),
        pincount=fields.get("pincount", fields.get("compound_pincount")),
    )


def _read_flags(dump: PageDump, found: re.Match[str]) -> PageDump:
    names = tuple(name for name in re.split(r"[|,]", found[2] or "") if name)
    kind = found[1] or dump.kind or ("file" if dump.cached else "")
    return replace(dump, kind=kind, flags=names)


_READERS: tuple[tuple[re.Pattern[str], Callable[[PageDump, re.Match[str]], PageDump]], ...] = (
    (_HEAD, _read_head),
    (_FLAGS, _read_flags),
    (_REASON, lambda dump, found: replace(dump, reason=found[1].strip())),
    (_MEMCG, lambda dump, _: dump),
    (_FILE, lambda dump, _: replace(dump, kind="file")),
    (_TYPE, lambda dump, found: replace(dump, page_type=found[1].strip())),
)


def _mapping_references(dump: PageDump) -> int:
    if dump.order == 0:
        return max(dump.mapcount, 0)  # below 0 the field holds a page type
    if dump.folio_mapcount is not None:
        return max(dump.folio_mapcount, 0)
    return max(dump.mapcount, dump.entire_mapcount or 0, 0)


def _cache_references(dump: PageDump) -> int:
    """A cache holds one reference for each page; buffers or other private data hold one more."""
    private = 1 if dump.kind == "file" and {"private", "private_2"} & set(dump.flags) else 0
    return (dump.pages if dump.cached else 0) + private


def _pins(dump: PageDump, left: int) -> tuple[int, int]:
    """How many pins there are, and how many references they take."""
    if dump.pincount is not None:
        pins = max(dump.pincount, 0)
        return pins, pins
    # The numbers are read one after another while others change them: a few short is a pin too.
    pins = max((left + _RACE) // PIN_BIAS, 0)
    return pins, pins * PIN_BIAS


def _is_exact(dump: PageDump) -> bool:
    return dump.order == 0 or dump.folio_mapcount is not None


def _parts(dump: PageDump, counts: dict[str, int], pins: int, *, exact: bool) -> tuple[Part, ...]:
    words = {
        "pinned": count(pins, "long-term pin"),
        "mappings": "mapping" if counts["mappings"] == 1 else "mappings",
        "cache": "swap cache" if dump.kind == "anon" else "page cache",
        "isolation": "isolation",
        "short_term": _short_term(counts["short_term"], exact=exact),
    }
    return tuple(Part(counts[name], words[name]) for name in words if counts[name])


def _short_term(number: int, *, exact: bool) -> str:
    noun = "short-term reference" if number == 1 else "short-term references"
    users = f"{noun} by FOLL_GET, as vmsplice or direct I/O take"
    return users if exact else f"{users}, or mappings of the folio's other pages"


def count(number: int, noun: str) -> str:
    """So many of what `noun` names: `1 page`, `2 pages`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _name(dump: PageDump) -> str:
    where = f"page frame {dump.pfn:#x}" if dump.pfn is not None else "page"
    traits = [dump.kind or dump.page_type or "", f"order {dump.order}" if dump.order else ""]
    for place in ("node", "zone"):
        number = dump.location(place)
        traits.append(f"{place} {number}" if number is not None else "")
    shown = ", ".join(trait for trait in traits if trait)
    return f"{where} ({shown})" if shown else where


def _why(dump: PageDump) -> str:
    if dump.ret is None:
        return f"Dumped because: {dump.reason}."
    outcome = (
        f"errno {-dump.ret}" if dump.ret < 0 else f"{count(dump.ret, 'page')} of its batch left"
    )
    return f"Dumped because: {dump.reason} (migrate_pages() returned {dump.ret}: {outcome})."


def _holders(split: RefcountSplit) -> Iterator[str]:
    if split.pins:
        yield (
            "A pin (FOLL_PIN) keeps the page where it is until its owner unpins it:"
            " rdma, vfio and io_uring hold them for long, direct I/O for a moment;"
            " the dump does not say which."
        )
    if split.short_term:
        yield (
            "A reference beyond mappings, caches and pins keeps the page as well:"
            " FOLL_GET as vmsplice takes, or a per-processor LRU batch not yet drained."
        )
    if not split.pins and not split.short_term and not split.missing:
        yield "Nothing holds the page beyond what is listed; the failure may have been transient."
