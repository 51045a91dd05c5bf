# SPDX-License-Identifier: Apache-2.0
"""Which scenario of the catalogue a test is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from hotremove.resources import source_folder

LONG_TERM = frozenset({1, 2, 3, 34})
"""Rows that hold a long-term pin of faulted memory while all of it is removed."""


@cache
def catalogue() -> frozenset[int]:
    """Numbers of the rows there are; a judgement of a kernel that misses one has not looked.

    Raises:
        HostProblem: the suite is missing from this installation.
    """
    texts = [path.read_text() for path in source_folder("scenarios").glob("test_*.py")]
    return frozenset(int(n) for text in texts for n in re.findall(r"mark\.scenario\((\d+),", text))


@dataclass(frozen=True)
class ScenarioId:
    """A scenario of docs/scenarios.md, called its row, or the control of one.

    Attributes:
        number: its number; 0 for a test outside the catalogue.
        title: what is tried.
        control: shows that the row can fail; the bugs the row shows do not touch it.
        unpinned: nothing is pinned when the memory is to leave; bugs that show by long-term pins
            that stay do not touch it.
    """

    number: int
    title: str
    control: bool = False
    unpinned: bool = False

    def __str__(self) -> str:
        title = f"control: {self.title}" if self.control else self.title
        return f"{self.number} {title}" if self.number else title
