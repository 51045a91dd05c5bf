# SPDX-License-Identifier: Apache-2.0
"""One page that a kernel dumped."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

from hotremove.observe.pagedump.owner import PageOwner

HOT_REMOVE = ("migration failure", "isolation failed")
"""Reasons of do_migrate_range() (mm/memory_hotplug.c), which holds a reference meanwhile."""

UNMOVABLE = "unmovable page"
"""Reason of start_isolate_page_range() (mm/page_isolation.c)."""

NO_MEMORY = -12
"""What migrate_pages() returns where there is no page to move to."""

_ENTIRELY_MAPPED = 0x800000  # in nr_pages_mapped: a bit, no number of pages (mm/internal.h)
_TYPE = re.compile(r"\S*\(([^)]*)\)")
# Address spaces of pages that their driver moves (5.10 to 6.0 print them).
_DRIVERS = frozenset({"z3fold_aops", "zsmalloc_aops", "balloon_aops"})


@dataclass(frozen=True)
class PageDump:
    """One dumped page. Numbers are as printed; what the kernel did not print is None.

    Dumps are equal that say the same, wherever they stand in the log.

    Attributes:
        refcount: references of the page, or of its head for a part of a large folio.
        mapcount: page-table entries that map this very page.
        pfn: page frame number.
        index: offset in its mapping, pages.
        kind: `anon`, `ksm`, `file`, or empty when the dump does not say.
        cached: a page cache or swap cache holds it (`mapping` is not null).
        movable: no user's page, but one that its driver moves (PAGE_MAPPING_MOVABLE, to 6.16).
        aops: the operations of its address space, `shmem_aops`.
        flags: names of the page flags, `uptodate`, `lru`, `node=1`.
        order: the folio has 2**order pages; 0 for a single page.
        folio_mapcount: entries that map any part of the folio (6.10 and later).
        entire_mapcount: entries that map the folio as a whole.
        nr_pages_mapped: how many of the folio's pages are mapped, and a bit (6.2 and later).
        pincount: pins of a large folio that counts them apart.
        reason: why it was dumped, `migration failure`, `isolation failed`, `unmovable page`.
        ret: what migrate_pages() returned: an errno if negative, else pages it left.
        page_type: `buddy`, `slab` and the like, as printed.
        owner: what page_owner keeps of it.
        uninitialised: its struct page was never set up; no number of it means anything.
        seconds: time since boot, when the log says so.
        start: first line of the dump, counted from 1.
        end: last line of the dump, inclusive.
    """

    refcount: int
    mapcount: int
    pfn: int | None = None
    index: int | None = None
    kind: str = ""
    cached: bool = False
    movable: bool = False
    aops: str = ""
    flags: tuple[str, ...] = ()
    order: int = 0
    folio_mapcount: int | None = None
    entire_mapcount: int | None = None
    nr_pages_mapped: int | None = None
    pincount: int | None = None
    reason: str | None = None
    ret: int | None = None
    page_type: str | None = None
    owner: PageOwner | None = None
    uninitialised: bool = False
    seconds: float | None = field(default=None, compare=False)
    start: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)

    @property
    def pages(self) -> int:
        """Base pages in the folio."""
        return 1 << max(0, min(self.order, 30))

    @cached_property
    def types(self) -> frozenset[str]:
        """Names of its page type: `slab`, `hugetlb`, `table`, `buddy`, `zsmalloc`."""
        found = _TYPE.match(self.page_type or "")
        named = {name for name in found[1].split("|") if name} if found else set()
        return frozenset(named | ({"slab"} & set(self.flags)))

    @property
    def in_hot_remove(self) -> bool:
        """Whether hot-remove held a reference of its own when it dumped the page."""
        # A dump cut short may lack its reason, but not the line before it that gave `ret`.
        return self.reason in HOT_REMOVE or (self.reason is None and self.ret is not None)

    @property
    def freed(self) -> bool:
        """Whether its last reference was gone."""
        if self.in_hot_remove or self.uninitialised or self.reason == UNMOVABLE:
            return False
        # Slab pages and the like have had no reference at all since 6.14 (frozen).
        return self.refcount <= 0 and not self.types - {"hugetlb"}

    @property
    def in_swap_cache(self) -> bool:
        """Whether the swap cache holds it: PG_swapcache is PG_owner_priv_1 with PG_swapbacked."""
        if self.hugetlb or self.freed:
            return False
        flags = set(self.flags)
        marked = "swapcache" in flags or {"owner_priv_1", "swapbacked"} <= flags
        return marked or self.aops == "swap_aops" or (self.kind in ("anon", "ksm") and self.cached)

    @property
    def hugetlb(self) -> bool:
        """Whether it is a hugetlb page, as far as the dump tells."""
        if "hugetlb" in self.types or self.aops == "hugetlbfs_aops":
            return True
        # Private ones carry no name before 6.9; other anonymous memory is backed by swap.
        unnamed = self.kind == "anon" and self.order >= 9 and "swapbacked" not in self.flags
        return unnamed and self.ret == NO_MEMORY

    @property
    def driver_moves(self) -> bool:
        """Whether it is on no LRU list and its driver moves it: zsmalloc, z3fold, a balloon."""
        return self.movable or self.aops in _DRIVERS or "zsmalloc" in self.types

    @property
    def of_users(self) -> bool:
        """Whether user space maps it or could: anonymous memory, files, hugetlb."""
        return not self.driver_moves and bool(self.kind or self.hugetlb or "lru" in self.flags)

    @property
    def of_kernel(self) -> bool:
        """Whether the kernel allocated it for itself."""
        if self.types - {"hugetlb"} or "reserved" in self.flags or self.driver_moves:
            return True
        return self.reason == UNMOVABLE and not self.of_users

    @property
    def pages_mapped(self) -> int | None:
        """How many of the folio's pages page tables map; None where it was not printed."""
        if self.order == 0:
            return 1 if self.mapcount > 0 else 0
        if self.nr_pages_mapped is None or self.nr_pages_mapped < 0:
            return None  # -1 with CONFIG_NO_PAGE_MAPCOUNT (6.15)
        if self.nr_pages_mapped >= _ENTIRELY_MAPPED or (self.entire_mapcount or 0) > 0:
            return self.pages
        return self.nr_pages_mapped

    @property
    def mapped_by_entry(self) -> int:
        """Pages of the folio that entries of their own map, as far as it was printed."""
        return max(self.nr_pages_mapped or 0, 0) & (_ENTIRELY_MAPPED - 1)

    def location(self, what: str) -> int | None:
        """The `node` or `zone` number, which %pGp prints from 5.12 on; None before."""
        for flag in self.flags:
            name, _, number = flag.partition("=")
            if name == what and number.isdecimal():
                return int(number)
        return None
