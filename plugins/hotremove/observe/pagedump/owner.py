# SPDX-License-Identifier: Apache-2.0
"""Who allocated and who freed a page, where the kernel keeps it: CONFIG_PAGE_OWNER, page_owner=on.

`__dump_page_owner()` in mm/page_owner.c prints it below a page dump (4.6 and later; the stack that
freed the page from 5.4 on).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# What every allocation runs through, from mm/page_alloc.c, mm/mempolicy.c, mm/slub.c and the
# architectures' stack tracers.
_MACHINERY = re.compile(
    r"(?:_*set_page_owner|save_stack|post_alloc_hook|prep_new_page|get_page_from_freelist"
    r"|_*(?:vma_)?(?:alloc|free|folio_alloc|get_free|get_zeroed)_(?:frozen_)?(?:pages?|folio)\w*"
    r"|_*folio_alloc\w*|_*alloc_folio\w*|alloc_slab_page|allocate_slab|_*new_slab|_*slab_alloc\w*"
    r"|_*kmalloc\w*|kmem_cache_alloc\w*|_*reset_page_owner|free_unref_\w+|_*folio_put\w*"
    r"|_*put_page|free_pcp_prepare|release_pages|free_pages_and_swap_cache)$"
)


@dataclass(frozen=True)
class PageOwner:
    """What page_owner keeps of a page.

    Attributes:
        state: `allocated` or `freed`, as tracked when the page was dumped.
        order: of the last allocation: 2**order pages.
        migratetype: `Unmovable`, `Movable` and the like.
        gfp: how the memory was asked for, `GFP_KERNEL|__GFP_COMP`.
        pid: the thread that allocated it; None on kernels before 5.11.
        comm: that thread's name; empty on kernels before 5.18.
        allocated_by: functions of the allocation, innermost first.
        freed_by: functions that freed it last, innermost first.
        migrated: why it was migrated last, `compaction`; empty if it never was.
    """

    state: str = ""
    order: int = 0
    migratetype: str = ""
    gfp: str = ""
    pid: int | None = None
    comm: str = ""
    allocated_by: tuple[str, ...] = ()
    freed_by: tuple[str, ...] = ()
    migrated: str = ""

    @property
    def allocator(self) -> str:
        """The function that asked for the page; empty when its stack is missing."""
        return next(iter(_telling(self.allocated_by)), "")

    @property
    def freer(self) -> str:
        """The function that gave the page back; empty when its stack is missing."""
        return next(iter(_telling(self.freed_by)), "")

    def __str__(self) -> str:
        """`allocated by z3fold_zpool_malloc (order 0, Unmovable); last freed by …`."""
        parts = []
        if self.allocated_by:
            parts.append(f"allocated by {_chain(self.allocated_by)} ({self._how()})")
        if self.freed_by:
            parts.append(f"last freed by {_chain(self.freed_by)}")
        if self.migrated:
            parts.append(f"migrated before, for {self.migrated}")
        return "; ".join(parts)

    def _how(self) -> str:
        who = f"pid {self.pid} {self.comm}".rstrip() if self.pid is not None else ""
        facts = [f"order {self.order}", self.migratetype, self.gfp, who]
        return ", ".join(fact for fact in facts if fact)


def _telling(functions: tuple[str, ...]) -> tuple[str, ...]:
    """The functions without the allocator's own; all of them if there are no others."""
    told = tuple(name for name in functions if not _MACHINERY.match(name))
    return told or functions


def _chain(functions: tuple[str, ...]) -> str:
    return " < ".join(_telling(functions)[:5])
