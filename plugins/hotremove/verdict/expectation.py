# SPDX-License-Identifier: Apache-2.0
"""From a verdict alone to a verdict against what was expected."""

from __future__ import annotations

from dataclasses import dataclass

from hotremove.verdict.lineage import Change, Lineage
from hotremove.verdict.outcome import Verdict
from hotremove.verdict.row import Row


@dataclass(frozen=True)
class Finding:
    """A verdict and why, in words."""

    verdict: Verdict
    message: str


def against_lineage(found: Finding, row: Row, lineage: Lineage) -> Finding:
    """A failure that the lineage knows is `known-bug`; one that does not show is a failure.

    Everything else stays as it is: a lost guest or a skip says nothing of the bug.
    """
    bug = None if row.control else lineage.known_bug(row.number)
    if bug is None:
        return found
    if found.verdict is Verdict.FAIL:
        return Finding(Verdict.KNOWN_BUG, f"{found.message} [known: {_about(bug, lineage)}]")
    if found.verdict is Verdict.PASS:
        told = f"the known bug did not show: {_about(bug, lineage)}, yet the scenario passes"
        return Finding(Verdict.FAIL, told)
    return found


def with_fix_off(found: Finding, noticed: bool, row: Row) -> Finding:
    """With the fix turned off, a sensitive scenario has to fail by what it looks at (`noticed`)."""
    if found.verdict is Verdict.PASS:
        return Finding(Verdict.FAIL, f"insensitive: {row} passes with the fix turned off")
    if found.verdict is Verdict.FAIL and noticed:
        return Finding(Verdict.PASS, f"noticed: {found.message}")
    return found


def _about(bug: Change, lineage: Lineage) -> str:
    place = "has" if lineage.includes(bug) else "lacks"
    return f"{'.'.join(map(str, lineage.version))} {place} {bug}"
