# SPDX-License-Identifier: Apache-2.0
"""What a page's references are.

Sources: Documentation/core-api/pin_user_pages.rst, try_grab_page() in mm/gup.c and
folio_expected_refs() in mm/migrate.c; 5.10 to 7.2.
"""

from __future__ import annotations

from dataclasses import dataclass

from hotremove.observe.pagedump.dump import PageDump
from hotremove.observe.pagedump.words import count

PIN_BIAS = 1024
"""References that one pin adds to a page without a pin counter of its own
(GUP_PIN_COUNTING_BIAS, include/linux/mm.h)."""

_RACE = 8


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
        cache: references of the page cache or the swap cache.
        private: the reference of buffers or of other data that a filesystem keeps with the page.
        isolation: the reference that hot-remove itself holds at that moment.
        kernel: references of the kernel code that allocated the page for itself, or poisoned it.
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
    private: int
    isolation: int
    kernel: int
    short_term: int
    missing: int
    exact: bool
    parts: tuple[Part, ...]

    def __str__(self) -> str:
        """`refcount 1026 = 1024 (1 long-term pin) + 1 (mapping) + 1 (isolation)`."""
        shares = " + ".join(f"{part.count} ({part.words})" for part in self.parts)
        if not shares and not self.missing:
            return f"refcount {self.refcount}"
        lacking = f" - {self.missing} (changed while it was printed)" if self.missing else ""
        return f"refcount {self.refcount} = {shares or '0'}{lacking}"


def split_refcount(dump: PageDump) -> RefcountSplit:
    """Say what each reference of a dumped page is.

    What a dump cannot tell: whether a pin is long-term (the word is used because a pin that blocks
    an offline outlives it), whether 1024 plain references pose as a pin, and, before 6.10, how
    many page-table entries map the other pages of a large folio.
    """
    if dump.freed:
        return _nothing_left(dump)
    known = _known_shares(dump)
    left = dump.refcount - sum(known.values())
    pins, pinned = _pins(dump, left)
    left -= pinned
    kernel = _kernel_references(dump, max(left, 0))
    counts = {
        "pinned": pinned,
        **known,
        "kernel": kernel,
        "short_term": max(left, 0) - kernel,
    }
    told = dump.order == 0 or dump.folio_mapcount is not None
    exact = told or dump.of_kernel or dump.hugetlb  # those are mapped as a whole, if at all
    return RefcountSplit(
        refcount=dump.refcount,
        pins=pins,
        missing=max(-left, 0),
        exact=exact,
        parts=_parts(dump, counts, pins, exact=exact),
        **counts,
    )


def _nothing_left(dump: PageDump) -> RefcountSplit:
    """A freed page: a pin that is still counted holds nothing."""
    return RefcountSplit(
        refcount=dump.refcount,
        pins=max(dump.pincount or 0, 0),
        pinned=0,
        mappings=0,
        cache=0,
        private=0,
        isolation=0,
        kernel=0,
        short_term=0,
        missing=-dump.refcount,
        exact=True,
        parts=(),
    )


def _known_shares(dump: PageDump) -> dict[str, int]:
    return {
        "mappings": _mapping_references(dump),
        "cache": _cache_references(dump),
        "private": 1 if _has_private_data(dump) else 0,
        "isolation": 1 if dump.in_hot_remove else 0,
    }


def _mapping_references(dump: PageDump) -> int:
    if dump.of_kernel:
        return 0  # the field holds a page type, or what the allocator keeps there
    if dump.order == 0:
        return max(dump.mapcount, 0)  # below 0 the field holds a page type
    if dump.folio_mapcount is not None:
        return max(dump.folio_mapcount, 0)
    entire = max(dump.entire_mapcount or 0, 0)
    return max(dump.mapcount, entire + dump.mapped_by_entry, 0)


def _cache_references(dump: PageDump) -> int:
    """A cache holds one reference for each page; of a hugetlb page one in all, up to 6.6."""
    if dump.of_kernel or not (dump.cached or dump.in_swap_cache):
        return 0
    return 1 if dump.hugetlb and dump.refcount < dump.pages else dump.pages


def _has_private_data(dump: PageDump) -> bool:
    return (
        dump.kind == "file"
        and not dump.in_swap_cache
        and not dump.hugetlb
        and bool({"private", "private_2"} & set(dump.flags))
    )


def _kernel_references(dump: PageDump, left: int) -> int:
    """All that is left of its own page; memory_failure() keeps one of a poisoned page."""
    if dump.of_kernel:
        return left
    return min(left, 1) if "hwpoison" in dump.flags else 0


def _pins(dump: PageDump, left: int) -> tuple[int, int]:
    """How many pins there are, and how many references they take."""
    if dump.pincount is not None:
        pins = max(dump.pincount, 0)
        return pins, pins
    # The numbers are read one after another while others change them: a few short is a pin too.
    pins = max((left + _RACE) // PIN_BIAS, 0)
    return pins, pins * PIN_BIAS


def _parts(dump: PageDump, counts: dict[str, int], pins: int, *, exact: bool) -> tuple[Part, ...]:
    words = {
        "pinned": count(pins, "long-term pin"),
        "mappings": "mapping" if counts["mappings"] == 1 else "mappings",
        "cache": "swap cache" if dump.in_swap_cache else "page cache",
        "private": "private data: buffers or a filesystem's own",
        "isolation": "isolation",
        "kernel": "the kernel's own" if dump.of_kernel else "memory failure's own",
        "short_term": _short_term(counts["short_term"], exact=exact),
    }
    return tuple(Part(counts[name], words[name]) for name in words if counts[name])


def _short_term(number: int, *, exact: bool) -> str:
    noun = "short-term reference" if number == 1 else "short-term references"
    users = f"{noun} by FOLL_GET, as vmsplice or direct I/O take"
    return users if exact else f"{users}, or mappings of the folio's other pages"
