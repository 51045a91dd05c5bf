# SPDX-License-Identifier: Apache-2.0
"""The table of docs/verdicts.md, which the tests of verdicts are made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "verdicts.md"


@dataclass(frozen=True)
class Ending:
    """A row of it: what a test that ended so is called, and what each format says."""

    seen: str
    verdict: str
    exit: str
    pytest: str
    junit: str
    ktap: str
    kcidb: str


def _read() -> dict[str, Ending]:
    lines = PAGE.read_text().partition("| a test ends in |")[2].partition("\n\n")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    return {name: Ending(*(cell.strip("`") for cell in cells)) for name, *cells in rows}


TABLE = _read()
# Rows that a kernel has to have a hand in.
LIVE = (
    "a kernel report that nobody allowed",
    "a skip, and a kernel report",
    "`xfail`, and a kernel report",
    "stuck as known, then the guest's death",
    "a skip, and a log that cannot be read",
)
# Rows that take a test's whole time; tests/live/test_overdue.py.
OVERDUE = ("the end of its time, and evidence", "the end of its time, and no evidence")
