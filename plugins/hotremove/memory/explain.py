# SPDX-License-Identifier: Apache-2.0
"""Sentences for maintainers, made from evidence; pure functions."""

from __future__ import annotations

from hotremove.lineage.changes import find_change
from hotremove.memory.page import describe_page
from hotremove.observe.counters import Counters
from hotremove.observe.pagedump import PageDump, cause_of, count, split_refcount
from hotremove.pins.pin import Pin

# mm/gup.c: migrate pinned pages out of movable zone
_THE_FIX = "d1e153fea2a8"


def explain_stuck(
    what: str,
    place: str,
    blocking: PageDump | None,
    pin: Pin | None,
    inside: int,
    counted: Counters,
    migrates_pins: bool,
    poisoned: int = 0,
) -> str:
    """Why a removal does not end: the page, its references, their holder, the missing change.

    Args:
        what: what did not end, and in what time.
        place: where the memory lies, `node 1's ZONE_MOVABLE`.
        blocking: the dump of a page that does not leave, if the kernel printed one.
        pin: the pin whose frames hold that page; without a dump, one with pages in the memory.
        inside: how many pages of `pin` lie in the memory.
        counted: how the node's counters changed meanwhile.
        migrates_pins: whether the kernel knows the migration reason `longterm_pin`.
        poisoned: how many pages of the memory are marked as poisoned, where none was printed.
    """
    unseen = _no_page(place, counted, pin, inside) + _told_poisoned(poisoned)
    page = explain_page(place, blocking, pin) if blocking else unseen
    return f"{page}; {_cause(pin, migrates_pins)}; {what}"


def explain_page(place: str, dump: PageDump, pin: Pin | None) -> str:
    """A page that does not leave: its references, and whose pin it is; else what it is."""
    split = split_refcount(dump)
    name = f"pfn {dump.pfn:#x}" if dump.pfn is not None else "a page"
    if pin is None:
        owner = f"; {dump.owner}" if dump.owner and str(dump.owner) else ""
        what = f"is {describe_page(dump)}, which no pin of the scenario holds ({split})"
        return f"{name} in {place} {what}: {cause_of(dump).words}{owner}"
    holds = count(split.pins, "long-term pin") if split.pins else "a reference that is no pin"
    return f"{name} in {place} holds {holds} ({split}), held by {pin.holder}"


def explain_refusal(mechanism: str, remark: str, reasons: tuple[str, ...], page: str = "") -> str:
    """What a refusal says; `reasons` are the kernel's own, the last counts; `page` may be empty."""
    logged = f" (offlining failed due to {reasons[-1]})" if reasons else ""
    told = f"the kernel answered the {mechanism} with: {remark or 'no reason given'}{logged}"
    return f"{told}; {page}" if page else told


def _no_page(place: str, counted: Counters, pin: Pin | None, inside: int) -> str:
    """What is left to say where the kernel printed no page.

    Of pinned anonymous pages alloc_contig_range() prints none: it passes them over unmigrated
    (isolate_migratepages_block() in mm/compaction.c).
    """
    verb = "lies" if inside == 1 else "lie"
    suspects = (
        f"{count(inside, 'page')} of {pin.holder} {verb}" if pin else "no page of any pin lies"
    )
    return (
        f"the kernel dumped no page of {place}; meanwhile "
        f"pgmigrate_fail rose by {counted['pgmigrate_fail']} and "
        f"{counted.isolated} pages were left isolated; {suspects} inside"
    )


def _told_poisoned(poisoned: int) -> str:
    """The kernel drops such pages as it goes, and prints none that it waits for."""
    if not poisoned:
        return ""
    return f"; {count(poisoned, 'poisoned page')} {'is' if poisoned == 1 else 'are'} inside"


def _cause(pin: Pin | None, migrates_pins: bool) -> str:
    """What the evidence points to. A suspicion is called one."""
    if pin is None:
        return "look at what else uses the memory"
    if not pin.long_term:
        return "by design: a FOLL_GET reference that is not long-term is never migrated away"
    if not migrates_pins:
        return f"fixed upstream by {find_change(_THE_FIX)}"
    return (
        f"the kernel has {find_change(_THE_FIX)} and left the page there all the same: "
        "suspect a regression of it"
    )
