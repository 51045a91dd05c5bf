# SPDX-License-Identifier: Apache-2.0
"""Dumped pages that are held alike, told together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hotremove.observe.pagedump.explanation import name, traits
from hotremove.observe.pagedump.repeats import DumpedPage
from hotremove.observe.pagedump.words import often

_NAMED = 3  # pages


@dataclass(frozen=True)
class Alike:
    """Pages of which the same is to be said; at least one."""

    pages: tuple[DumpedPage, ...]

    def __str__(self) -> str:
        """`pfn 0x1727813 (file), 120 times in 10 min, the last at 700 s: block-device page …`."""
        one = self.pages[0]
        if len(self.pages) == 1:
            return one.explanation
        named = ", ".join(name(page.dump) for page in self.pages[:_NAMED])
        left = len(self.pages) - _NAMED
        more = f" and {left} more" if left > 0 else ""
        kind = traits(one.dump)
        whose = f" ({kind})" if kind else ""
        return f"{len(self.pages)} pages{whose}, {named}{more}{self._often()}: {one.said}"

    def _often(self) -> str:
        times = sum(page.times for page in self.pages)
        if times == len(self.pages):
            return ""
        starts = [page.first for page in self.pages if page.first is not None]
        ends = [page.last for page in self.pages if page.last is not None]
        return f", in all {often(times, min(starts, default=None), max(ends, default=None))}"


def group_alike(pages: Iterable[DumpedPage]) -> list[Alike]:
    """Pages that are held alike together, in the order of the first of each kind."""
    alike: dict[tuple[str, str], list[DumpedPage]] = {}
    for page in pages:
        alike.setdefault((traits(page.dump), page.said), []).append(page)
    return [Alike(tuple(group)) for group in alike.values()]
