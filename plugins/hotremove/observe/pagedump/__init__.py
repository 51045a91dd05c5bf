# SPDX-License-Identifier: Apache-2.0
"""The page dumps that a kernel prints when memory does not leave, and what holds each page.

Two generations of the same report (`__dump_page()` in mm/debug.c): 5.10 and 6.1 begin with
`page:ADDRESS refcount:`, 6.12 and later with `page: refcount:`; older ones are read as well.
"""

from hotremove.observe.pagedump.alike import Alike, group_alike
from hotremove.observe.pagedump.cause import Cause, cause_of
from hotremove.observe.pagedump.dump import PageDump
from hotremove.observe.pagedump.explanation import explain
from hotremove.observe.pagedump.facts import page_facts
from hotremove.observe.pagedump.owner import PageOwner
from hotremove.observe.pagedump.reading import parse_dumps
from hotremove.observe.pagedump.refcount import PIN_BIAS, Part, RefcountSplit, split_refcount
from hotremove.observe.pagedump.repeats import MOST_PAGES, DumpedPage, DumpedPages
from hotremove.observe.pagedump.words import count, often

__all__ = [
    "MOST_PAGES",
    "PIN_BIAS",
    "Alike",
    "Cause",
    "DumpedPage",
    "DumpedPages",
    "PageDump",
    "PageOwner",
    "Part",
    "RefcountSplit",
    "cause_of",
    "count",
    "explain",
    "group_alike",
    "often",
    "page_facts",
    "parse_dumps",
    "split_refcount",
]
