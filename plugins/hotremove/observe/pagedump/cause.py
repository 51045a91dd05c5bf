# SPDX-License-Identifier: Apache-2.0
"""What keeps a dumped page where it is.

Sources: do_migrate_range() and offline_pages() in mm/memory_hotplug.c, has_unmovable_pages() in
mm/page_isolation.c, mm/migrate.c, bad_page() and its callers in mm/page_alloc.c,
get_any_page() in mm/memory-failure.c; 5.10 to 7.2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from hotremove.observe.pagedump.dump import NO_MEMORY, UNMOVABLE, PageDump
from hotremove.observe.pagedump.refcount import PIN_BIAS, RefcountSplit, split_refcount
from hotremove.observe.pagedump.words import count

_HUGE = 9  # order of a transparent huge page with pages of 4 KiB
_TYPES = {
    "slab": ("slab", "a slab page: it holds kernel objects, which cannot be moved"),
    "table": ("page-table", "a page table, which cannot be moved"),
    "offline": (
        "offline-page",
        "a page that a balloon, virtio-mem or Hyper-V has taken from the kernel: its driver has to"
        " give it back or to agree",
    ),
    "guard": ("guard", "a guard page of debug_pagealloc"),
    "buddy": ("free", "a free page of the allocator's: nobody holds it"),
    "large_kmalloc": ("kernel", "a large kmalloc() allocation, which cannot be moved"),
    "unaccepted": ("free", "memory that the guest has not accepted yet: nobody holds it"),
}
_UNMOVABLE_FILES = {"secretmem_aops": "secretmem", "kvm_gmem_aops": "guest_memfd"}
_SHORT = frozenset({"buffers", "writeback", "off-lru"})  # mostly over soon
_CHECKS = ("VM_", "kasan", "hwpoison")  # begin reasons that are not bad_page()'s
_NOT_HELD = "no user holds it and it is no page cache"


@dataclass(frozen=True)
class Cause:
    """What keeps a page where it is, or what was wrong with it.

    Attributes:
        kind: one word of it, `pinned`, `swap-cache`, `slab`: docs/logs.md lists them.
        words: the same for a person; a phrase without a full stop.
    """

    kind: str
    words: str


def cause_of(dump: PageDump, times: int = 1) -> Cause:
    """What keeps a dumped page where it is: the first thing that the dump proves.

    Args:
        dump: the page as dumped last.
        times: how often this page was dumped in all; more than once is not transient.
    """
    split = split_refcount(dump)
    for look in _LOOKS:
        cause = look(dump, split)
        if cause and cause.kind in _SHORT and times > 1:
            return replace(cause, words=f"{cause.words}; it failed again and again: not transient")
        if cause:
            return cause
    return _nothing(dump, split, times)


def _uninitialised(dump: PageDump, _: RefcountSplit) -> Cause | None:
    if not dump.uninitialised:
        return None
    words = "its struct page was never set up: somebody looked at memory that is not online"
    return Cause("uninitialised", words)


def _freed(dump: PageDump, split: RefcountSplit) -> Cause | None:
    """A page that was given back in a state that it must not have."""
    if not dump.freed:
        return None
    if "pincount" in (dump.reason or "") or split.pins:
        pins = count(split.pins, "pin") if split.pins else "a pin"
        counts = f"refcount {dump.refcount}"
        if dump.pincount is not None:
            counts += f", pincount {dump.pincount}"
        words = f"freed with {pins} still counted ({counts}): a pin was leaked or released twice"
        return Cause("freed-pinned", words)
    if dump.refcount <= -PIN_BIAS // 2:
        words = "unpinned more often than pinned: its refcount fell below 0 by a pin's 1024"
        return Cause("freed-pinned", words)
    if dump.reason and not dump.reason.startswith(_CHECKS):
        return Cause("freed", f"freed in a state that it must not have: {dump.reason}")
    return None


def _poisoned(dump: PageDump, _: RefcountSplit) -> Cause | None:
    if "hwpoison" not in dump.flags:
        return None
    words = (
        "poisoned: its memory has failed, or was made to; hot-remove drops such a page once"
        " nothing maps it and never moves it"
    )
    return Cause("hwpoison", words)


def _reserved(dump: PageDump, _: RefcountSplit) -> Cause | None:
    if "reserved" not in dump.flags:
        return None
    words = (
        "reserved: allocated at boot or never given to the page allocator, so nothing can move it;"
        f" {_NOT_HELD}"
    )
    return Cause("reserved", words)


def _moved_by_driver(dump: PageDump, _: RefcountSplit) -> Cause | None:
    if not dump.driver_moves:
        return None
    name = _driver(dump)
    words = (
        f"a {name + ' ' if name else ''}page: movable, not on the LRU; only its driver can move it,"
        " and it did not; no user holds it"
    )
    return Cause("movable-non-lru", words)


def _driver(dump: PageDump) -> str:
    """Whose page it is: by its address space, its type or the function that allocated it."""
    allocator = dump.owner.allocator if dump.owner else ""
    traces = " ".join([dump.aops, *dump.types, allocator])
    for trace, name in (
        ("z3fold", "z3fold"),
        ("zsmalloc", "zsmalloc"),
        ("zs_", "zsmalloc"),
        ("balloon", "balloon"),
        ("offline", "balloon"),  # none of the others that take pages away lets the kernel move them
    ):
        if trace in traces:
            return name
    return ""


def _typed(dump: PageDump, _: RefcountSplit) -> Cause | None:
    for name, (kind, words) in _TYPES.items():
        if name in dump.types:
            free = kind in ("free", "offline-page", "guard")
            return Cause(kind, words if free else f"{words}; {_NOT_HELD}")
    return None


def _of_kernel(dump: PageDump, _: RefcountSplit) -> Cause | None:
    if not dump.of_kernel:
        return None
    by = dump.owner.allocator if dump.owner else ""
    whose = f" by {by}" if by else ""
    return Cause("kernel", f"allocated by the kernel for itself{whose}, not movable; {_NOT_HELD}")


def _no_room(dump: PageDump, _: RefcountSplit) -> Cause | None:
    """migrate_pages() gave up for want of memory: whether the page could move was not tried."""
    if dump.ret != NO_MEMORY:
        return None
    if dump.hugetlb:
        words = (
            "a hugetlb page, and no free huge page of its size elsewhere (-ENOMEM): it leaves when"
            " another node's pool has one"
        )
        return Cause("hugetlb-no-room", words)
    words = "no memory elsewhere to move it, or another page of its batch, to (-ENOMEM)"
    return Cause("no-memory", words)


def _pinned(dump: PageDump, split: RefcountSplit) -> Cause | None:
    if not split.pins:
        return None
    until = "it stays until its owner unpins it"
    pins = count(split.pins, "long-term pin")
    if dump.order == 0:
        return Cause("pinned", f"{pins} (FOLL_PIN): {until}")
    folio = _folio(dump)
    mapped = dump.pages_mapped
    if mapped is not None and 0 < mapped < dump.pages:
        words = f"{pins} (FOLL_PIN) of {folio}, {mapped} of whose {dump.pages} pages are mapped"
        return Cause("pinned-partly-mapped", f"{words}: {until}")
    return Cause("pinned-large", f"{pins} (FOLL_PIN) of {folio}: {until}")


def _folio(dump: PageDump) -> str:
    """`a THP`, `a large folio of order 4`."""
    if dump.hugetlb:
        return "a hugetlb page"
    if dump.order == _HUGE and dump.kind == "anon":
        return "a THP"
    return f"a large folio of order {dump.order}"


def _unmovable_file(dump: PageDump, _: RefcountSplit) -> Cause | None:
    name = _UNMOVABLE_FILES.get(dump.aops)
    return Cause("unmovable-file", f"{name}: memory that is never moved") if name else None


def _device_exclusive(dump: PageDump, split: RefcountSplit) -> Cause | None:
    """A reference without a mapping: make_device_exclusive() keeps it for its swap entry.

    From 6.15 on the entry counts as a mapping, and the page can leave.
    """
    alone = dump.kind == "anon" and split.exact and not split.mappings and not split.cache
    if not (alone and dump.in_hot_remove and split.short_term == 1):
        return None
    words = (
        "one reference of an anonymous page that nothing maps: a device has it exclusively"
        " (device-exclusive entry, up to 6.14), or a FOLL_GET user outlives the mapping"
    )
    return Cause("device-exclusive", words)


def _referenced(dump: PageDump, split: RefcountSplit) -> Cause | None:
    if not split.short_term:
        return None
    noun = "a reference" if split.short_term == 1 else f"{split.short_term} references"
    words = (
        f"{noun} beyond mappings, caches and pins: FOLL_GET as vmsplice takes, or a per-processor"
        " LRU batch not yet drained"
    )
    return Cause("foll-get", words)


def _in_swap_cache(dump: PageDump, split: RefcountSplit) -> Cause | None:
    if not dump.in_swap_cache or split.missing or not dump.in_hot_remove:
        return None
    if dump.kind == "anon":
        return None  # moves as any other: folio_expected_refs() has always counted this one
    words = (
        "a shmem page in the swap cache, no pin: kernels with 86ebd50224c0 (6.16) and without"
        " f183663901f2 do not reckon with the swap cache's reference and keep a removal waiting"
        " for ever"
    )
    return Cause("swap-cache", words)


def _buffers(dump: PageDump, split: RefcountSplit) -> Cause | None:
    if not split.private or not dump.in_hot_remove:
        return None
    whose = "block-device page cache" if dump.aops == "def_blk_aops" else "page cache"
    words = (
        f"{whose} with private data (buffers): it moves when none of them is busy, as a mounted"
        " filesystem, a journal or an open transaction keeps them; no pin"
    )
    return Cause("buffers", words)


def _writeback(dump: PageDump, _: RefcountSplit) -> Cause | None:
    if "writeback" not in dump.flags or not dump.in_hot_remove:
        return None
    return Cause("writeback", "under writeback: it moves when that has ended")


def _not_on_lru(dump: PageDump, _: RefcountSplit) -> Cause | None:
    waits = dump.reason in ("isolation failed", UNMOVABLE)
    if not waits or "lru" in dump.flags:
        return None
    words = (
        "on no LRU list: in a per-processor batch, or isolated by compaction, reclaim or another"
        " migration"
    )
    return Cause("off-lru", words)


def _checked(dump: PageDump, _: RefcountSplit) -> Cause | None:
    if dump.in_hot_remove or not dump.reason:
        return None
    free = "; no reference of it was left" if dump.freed else ""
    return Cause("check", f"the kernel found what must not be: {dump.reason}{free}")


_LOOKS: tuple[Callable[[PageDump, RefcountSplit], Cause | None], ...] = (
    _uninitialised,
    _freed,
    _poisoned,
    _reserved,
    _moved_by_driver,
    _typed,
    _of_kernel,
    _no_room,
    _pinned,
    _unmovable_file,
    _device_exclusive,
    _referenced,
    _in_swap_cache,
    _buffers,
    _writeback,
    _not_on_lru,
    _checked,
)


def _nothing(dump: PageDump, split: RefcountSplit, times: int) -> Cause:
    """Nothing that the dump shows."""
    if not dump.in_hot_remove:
        return Cause("unknown", "the dump does not say what was wrong")
    if times > 1:
        words = (
            "nothing that the dump shows holds it, but it failed again and again, so it is not"
            " transient: look at its filesystem or driver"
        )
        return Cause("unexplained", words)
    if split.missing:
        return Cause("changing", "its counts changed while they were printed")
    words = "nothing holds it beyond what is listed; the failure may have been transient"
    return Cause("transient", words)
