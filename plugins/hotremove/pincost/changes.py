# SPDX-License-Identifier: Apache-2.0
"""Pins that cost more or less than they did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hotremove.pincost.model import Cost, Point

# Costs are counted, not timed, but up to 2.7 % of them is due to where free pages lie: seen outside
# ZONE_MOVABLE with guest programs of another size (0.4 % in it).
_DEARER = 0.03

Measured = Mapping[tuple[str, Point], tuple[Cost, str]]
"""What was measured, by kernel and point; each with the kernel's version."""


@dataclass(frozen=True)
class CostChange:
    """A pin that costs more or less, in instructions a page.

    Attributes:
        pin: what is pinned and how.
        kernels: version before, and now.
        before: what a page cost.
        after: what it costs now.
    """

    pin: str
    kernels: tuple[str, str]
    before: float
    after: float

    @property
    def percent(self) -> float:
        """By how much it rose."""
        return 100 * (self.after / self.before - 1)


def changes_of_cost(before: Measured, after: Measured) -> Iterator[CostChange]:
    """What differs is the kernel's doing, if the same guest programs and QEMU counted."""
    for key in (key for key in after if key in before):
        (was, version), (now, newer) = before[key], after[key]
        if abs(now.per_page - was.per_page) > _DEARER * was.per_page:
            name = f"{now}, {now.mib} MiB"
            yield CostChange(name, (version, newer), was.per_page, now.per_page)
