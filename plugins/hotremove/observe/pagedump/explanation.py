# SPDX-License-Identifier: Apache-2.0
"""Sentences about a dumped page."""

from __future__ import annotations

from hotremove.observe.pagedump.cause import cause_of
from hotremove.observe.pagedump.dump import PageDump
from hotremove.observe.pagedump.refcount import split_refcount
from hotremove.observe.pagedump.words import count

# PG_anon_exclusive is PG_mappedtodisk, called PG_owner_2 from 6.14 on.
_EXCLUSIVE = frozenset({"mappedtodisk", "owner_2"})


def explain(dump: PageDump, times: int = 1) -> str:
    """A few sentences for a person: which page, what keeps it, its references, why it was dumped.

    Args:
        dump: the page as dumped last.
        times: how often it was dumped in all.
    """
    return f"{title(dump)}: {say(dump, times)}"


def say(dump: PageDump, times: int = 1) -> str:
    """What `explain` says, without the page's name."""
    split = split_refcount(dump)
    sentences = [f"{cause_of(dump, times).words}."]
    if not dump.uninitialised:
        sentences.append(f"Its {split}.")
    if dump.reason:
        sentences.append(_why(dump))
    if split.pins and not dump.freed:
        sentences.append(
            "rdma, vfio and io_uring hold pins for long, direct I/O for a moment;"
            " the dump does not say which."
        )
    if not split.exact:
        sentences.append(
            "This kernel does not print how often the whole folio is mapped:"
            " take the shares as at least."
        )
    if dump.owner and str(dump.owner):
        sentences.append(f"{_capital(str(dump.owner))}.")
    return " ".join(sentences)


def title(dump: PageDump) -> str:
    """`pfn 0x100008 (anon, node 1, zone 3)`."""
    shown = traits(dump)
    return f"{name(dump)} ({shown})" if shown else name(dump)


def name(dump: PageDump) -> str:
    """`pfn 0x100008`, or `a page` where the log does not name it."""
    return f"pfn {dump.pfn:#x}" if dump.pfn is not None else "a page"


def traits(dump: PageDump) -> str:
    """What sort of page it is and where: `anon, order 9, node 1, zone 3`."""
    kind = "hugetlb" if dump.hugetlb else dump.kind
    typed = "" if kind else ", ".join(sorted(dump.types))
    shown = [
        "" if dump.driver_moves else kind,
        dump.aops,
        typed,
        f"order {dump.order}" if dump.order else "",
    ]
    for place in ("node", "zone"):
        number = dump.location(place)
        shown.append(f"{place} {number}" if number is not None else "")
    return ", ".join(trait for trait in shown if trait)


def _why(dump: PageDump) -> str:
    if dump.ret is None:
        return f"Dumped because: {dump.reason}{_reading(dump)}."
    outcome = (
        f"errno {-dump.ret}" if dump.ret < 0 else f"{count(dump.ret, 'page')} of its batch left"
    )
    return f"Dumped because: {dump.reason} (migrate_pages() returned {dump.ret}: {outcome})."


def _reading(dump: PageDump) -> str:
    """What a condition that was found wrong means."""
    if "AnonExclusive" in (dump.reason or "") and not _EXCLUSIVE & set(dump.flags):
        return ": an anonymous page that is not exclusive to its process, though it was pinned"
    return ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
