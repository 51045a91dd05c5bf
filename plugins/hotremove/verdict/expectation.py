# SPDX-License-Identifier: Apache-2.0
"""From a verdict alone to a verdict against what was expected."""

from __future__ import annotations

from dataclasses import dataclass

from hotremove.verdict.lineage import Change, Lineage
from hotremove.verdict.outcome import Verdict
from hotremove.verdict.row import Row


@dataclass(frozen=True)
class Finding:
    """A verdict and why.

    Attributes:
        verdict: the verdict.
        message: in words.
        pins_stayed: long-term pins lay in the memory that was to go: what the fix is there for.
        reports: what the kernel reported that nobody allowed, a title each; its death is one.
    """

    verdict: Verdict
    message: str
    pins_stayed: bool = False
    reports: tuple[str, ...] = ()


def against_lineage(found: Finding, row: Row, lineage: Lineage) -> Finding:
    """A failure that the lineage knows is `known-bug`; one that does not show is a failure.

    A failure of another kind than the bug's is none that is known: a kernel that panics where it is
    known to get stuck is red. Everything else stays as it is: a lost guest or a skip says nothing.
    """
    bug = None if row.control else lineage.known_bug(row.number)
    if bug is None:
        return found
    if found.verdict is Verdict.FAIL:
        return _against_bug(found, bug, _about(bug, lineage))
    if found.verdict is Verdict.PASS:
        told = f"the known bug did not show: {_about(bug, lineage)}, yet the scenario passes"
        return Finding(Verdict.FAIL, told)
    return found


def with_fix_off(found: Finding, row: Row) -> Finding:
    """With the fix turned off, a sensitive scenario has to fail by what it looks at."""
    if found.verdict is Verdict.PASS:
        return Finding(Verdict.FAIL, f"insensitive: {row} passes with the fix turned off")
    if found.verdict is Verdict.FAIL and found.pins_stayed:
        return Finding(Verdict.PASS, f"noticed: {found.message}")
    return found


def _against_bug(found: Finding, bug: Change, about: str) -> Finding:
    if bug.shows_as(found.pins_stayed, found.reports):
        return Finding(Verdict.KNOWN_BUG, add_to(found.message, f" [known: {about}]"))
    return Finding(Verdict.FAIL, add_to(found.message, f"; not as the known bug shows: {about}"))


def add_to(message: str, words: str) -> str:
    """Put more into a message's first line, which is all that lists of results show."""
    first, newline, rest = message.partition("\n")
    return f"{first}{words}{newline}{rest}"


def _about(bug: Change, lineage: Lineage) -> str:
    place = "has" if lineage.includes(bug) else "lacks"
    return f"{'.'.join(map(str, lineage.version))} {place} {bug}"
