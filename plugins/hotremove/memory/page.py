# SPDX-License-Identifier: Apache-2.0
"""What a page is that does not leave, in a few words, by what its dump prints."""

from __future__ import annotations

from hotremove.observe.pagedump import PageDump
from hotremove.observe.pagemap import PfnRuns

# PG_swapcache is another name of the owner's first private bit, or its second from 6.12 on, and is
# printed so (include/linux/page-flags.h); only for pages that can be swapped does it mean that.
_SWAP_CACHE = frozenset(("swapcache", "owner_priv_1", "owner_2"))


def frames_of_dump(dump: PageDump) -> PfnRuns:
    """The page frames of the folio that a dumped page belongs to; none if it does not say which."""
    if dump.pfn is None:
        return PfnRuns()
    return PfnRuns.of([(dump.pfn // dump.pages * dump.pages, dump.pages)])


def describe_page(dump: PageDump) -> str:
    """What the page is for the kernel: `an anonymous page`, `a page in the swap cache`."""
    flags = frozenset(dump.flags)
    if "reserved" in flags:
        return "a reserved page"
    if "slab" in flags or "slab" in (dump.page_type or ""):
        return "a page of the kernel's slabs"
    if "hugetlb" in (dump.page_type or ""):
        return "a hugetlb page"
    if dump.page_type:
        return f"a page of the type {dump.page_type}"
    if "swapbacked" in flags and flags & _SWAP_CACHE:
        return "a page in the swap cache"
    return _describe_memory(dump, flags)


def _describe_memory(dump: PageDump, flags: frozenset[str]) -> str:
    """Of what memory that is none of the kernel's own a page is."""
    size = f" of {4 << dump.order} KiB" if dump.order else ""
    if dump.kind in ("anon", "ksm"):
        return f"an anonymous page{size}" if dump.kind == "anon" else "a page that KSM has merged"
    if dump.kind == "file" or dump.cached:
        cache = "shared memory" if "swapbacked" in flags else "the page cache"
        return f"a page of {cache}{size}"
    return "a page that is neither anonymous nor a file's"
