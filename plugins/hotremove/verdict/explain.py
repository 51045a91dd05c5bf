# SPDX-License-Identifier: Apache-2.0
"""Sentences for maintainers, made from evidence; pure functions."""

from __future__ import annotations

from hotremove.observe.counters import Counters
from hotremove.observe.pagedump import PageDump, count, split_refcount
from hotremove.pins.pin import Pin
from hotremove.verdict.lineage import find_change

# mm/gup.c: migrate pinned pages out of movable zone
_THE_FIX = "d1e153fea2a8"


def explain_stuck(
    what: str,
    node: int,
    blocking: PageDump | None,
    pin: Pin | None,
    counted: Counters,
    migrates_pins: bool,
) -> str:
    """Why a removal does not end: the page, its references, their holder, the missing change.

    Args:
        what: what did not end, and in what time.
        node: the movable node.
        blocking: the dump of a page that does not leave, if the kernel printed one.
        pin: the pin it belongs to, or the only suspect.
        counted: how the node's counters changed meanwhile.
        migrates_pins: whether the kernel knows the migration reason `longterm_pin`.
    """
    held = f", held by {pin.holder}" if pin else ""
    page = _page(node, blocking) if blocking else _no_page(node, counted)
    return f"{page}{held}; {_cause(pin, migrates_pins)}; {what}"


def _page(node: int, dump: PageDump) -> str:
    split = split_refcount(dump)
    name = f"pfn {dump.pfn:#x}" if dump.pfn is not None else "a page"
    holds = count(split.pins, "long-term pin") if split.pins else "a reference that is no pin"
    where = f"in node {node}'s ZONE_MOVABLE"
    return f"{name} {where} holds {holds} ({split})"


def _no_page(node: int, counted: Counters) -> str:
    return (
        f"the kernel dumped no page of node {node}'s ZONE_MOVABLE; meanwhile "
        f"pgmigrate_fail rose by {counted['pgmigrate_fail']} and "
        f"{counted.isolated} pages were left isolated"
    )


def _cause(pin: Pin | None, migrates_pins: bool) -> str:
    """What the evidence points to. A suspicion is called one."""
    if pin is None:
        return "nothing was pinned by the scenario: look at what else uses the memory"
    if not pin.long_term:
        return "by design: a FOLL_GET reference that is not long-term is never migrated away"
    if not migrates_pins:
        return f"fixed upstream by {find_change(_THE_FIX)}"
    return (
        f"the kernel has {find_change(_THE_FIX)} and left the page there all the same: "
        "suspect a regression of it"
    )


def explain_refusal(mechanism: str, remark: str, reasons: tuple[str, ...]) -> str:
    """What a refusal says; `reasons` are the kernel's own, the last one counts."""
    logged = f" (offlining failed due to {reasons[-1]})" if reasons else ""
    return f"the kernel answered the {mechanism} with: {remark or 'no reason given'}{logged}"
