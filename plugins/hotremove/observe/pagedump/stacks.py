# SPDX-License-Identifier: Apache-2.0
"""Reads what page_owner prints below a page dump."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from hotremove.observe.kernellog.calltrace import bare
from hotremove.observe.pagedump.owner import PageOwner

_STATE = re.compile(r"page_owner tracks the page as (allocated|freed)")
_ALLOCATED = re.compile(r"page (?:last )?allocated via order (\d+), migratetype (\w+)(.*)")
_GFP = re.compile(r"gfp_mask \S+?\(([^)]*)\)")
_PID = re.compile(r"pid (\d+)(?:, tgid \d+)?(?: \(([^)]*)\))?")
_FREED = re.compile(r"page last free (?:pid \d+ tgid \d+ )?stack trace")
_MIGRATED = re.compile(r"page has been migrated, last migrate reason: (.*)")
_MISSING = re.compile(r"page_owner (?:allocation|free) stack trace missing|page_owner info is not")
_FRAME = re.compile(r"(?:\[<[0-9a-f]+>\] )?([A-Za-z_$][\w.$]*)\+0x[0-9a-f]+/0x[0-9a-f]+")


@dataclass(slots=True)
class OwnerReader:
    """What was read of page_owner's lines.

    Attributes:
        facts: attributes of the `PageOwner`, but for its stacks.
        allocated_by: functions of the allocation.
        freed_by: functions of the last free.
        open: the stack that a frame belongs to; None outside of one.
    """

    facts: dict[str, str | int | None] = field(default_factory=dict)
    allocated_by: list[str] = field(default_factory=list)
    freed_by: list[str] = field(default_factory=list)
    open: list[str] | None = None

    def take(self, text: str) -> bool:
        """Read a line, without the blanks before it; False when page_owner did not print it."""
        frame = _FRAME.match(text) if self.open is not None else None
        if frame and self.open is not None:
            self.open.append(bare(frame[1]))
            return True
        self.open = None
        return text.startswith("page") and self._take_heading(text)

    def owner(self) -> PageOwner | None:
        """What page_owner knows; None where it said nothing."""
        if not self.facts:
            return None
        return PageOwner(
            **self.facts,  # type: ignore[arg-type]
            allocated_by=tuple(self.allocated_by),
            freed_by=tuple(self.freed_by),
        )

    def _take_heading(self, text: str) -> bool:
        if found := _STATE.match(text):
            self.facts["state"] = found[1]
        elif found := _ALLOCATED.match(text):
            self._allocated(found)
        elif _FREED.match(text):
            self.open = self.freed_by
        elif found := _MIGRATED.match(text):
            self.facts["migrated"] = found[1].strip()
        else:
            return _MISSING.match(text) is not None
        return True

    def _allocated(self, found: re.Match[str]) -> None:
        gfp, who = _GFP.search(found[3]), _PID.search(found[3])
        self.facts |= {"order": int(found[1]), "migratetype": found[2]}
        if gfp:
            self.facts["gfp"] = gfp[1]
        if who:
            self.facts |= {"pid": int(who[1]), "comm": who[2] or ""}
        self.open = self.allocated_by
