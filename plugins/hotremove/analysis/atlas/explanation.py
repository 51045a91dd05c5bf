# SPDX-License-Identifier: Apache-2.0
"""Why a row comes out otherwise on the next kernel: by the lineage, by proof, or unexplained."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hotremove.analysis.atlas.sight import Sight
from hotremove.lineage.changes import Change, Lineage, changes, find_change
from hotremove.lineage.release import Version
from hotremove.results.naming import row_order
from hotremove.verdict.verdict import NOT_ALLOWED, Verdict

UNEXPLAINED = "unexplained: a finding"
_CONTROL = "control: "
# The time that something took, and the process that it was.
_OF_ONE_RUN = re.compile(r" in \d+\.\d+ s\b|\bpid \d+, ")
# What a run by the lineage's expectations said where the kernel did otherwise than they foretell.
_CONTRADICTIONS = ("not as the known bug shows", "the known bug did not show")


@dataclass(frozen=True)
class Explanation:
    """Why a row changes.

    Attributes:
        changes: upstream changes that one kernel has and the other has not, and that decide it.
        proof: what the kernel said itself, where there is nothing to see on it.
    """

    changes: tuple[Change, ...] = ()
    proof: str = ""

    @property
    def is_finding(self) -> bool:
        """Whether nothing explains it: the farm is wrong, or the lineage lacks something."""
        return not (self.changes or self.proof)

    def __str__(self) -> str:
        if self.changes:
            return "; ".join(f"{change}: {change.subject}" for change in self.changes)
        return self.proof or UNEXPLAINED


def explain(row: str, versions: tuple[Version, Version], seen: tuple[Sight, Sight]) -> Explanation:
    """Why a row ends otherwise on the second kernel than on the first.

    A failure that comes or goes needs a bug that comes or goes, by the entry's `is_in` on both
    sides; what only ends otherwise, any entry about the row that one side has. Where there is
    nothing to see on one side, entries that bring it, or the kernel's own word. Nothing explains
    what a run has found to be otherwise than the lineage foretells. A bug that spoils whatever row
    stands for each that it spoils on one side alone.
    """
    if spoilers := _spoilers(seen):
        return Explanation(spoilers)
    if any(word in sight.message for sight in seen for word in _CONTRADICTIONS):
        return Explanation()
    before, after = (Lineage(version) for version in versions)
    failed = [sight.failed for sight in seen]
    number = row_order(row)[0]
    if _CONTROL in row or _has_nothing(seen):
        found = _about(number, before, after, bugs=False)
    elif failed[0] != failed[1]:
        found = _only_in_first(number, *((before, after) if failed[0] else (after, before)))
    else:
        found = _about(number, before, after)
    return Explanation(found) if found else Explanation(proof=_proof(seen))


def _spoilers(seen: tuple[Sight, Sight]) -> tuple[Change, ...]:
    """The bug by which only one side fails, where any row may fail by it."""
    failing = [sight for sight in seen if sight.failed]
    found = tuple(sight.spoiler for sight in failing if sight.spoiler)
    return found if len(failing) == 1 else ()


def _has_nothing(seen: tuple[Sight, Sight]) -> bool:
    """Whether there is nothing to see on one side, and no failure that this could not excuse."""
    verdicts = {sight.verdict for sight in seen}
    return bool(verdicts & NOT_ALLOWED) and Verdict.FAIL not in verdicts


def _only_in_first(row: int, failing: Lineage, whole: Lineage) -> tuple[Change, ...]:
    """Bugs of the one that fails, which the other one has not; with what mends them."""
    if whole.known_bug(row):
        return ()
    return tuple(
        cause for bug in failing.known_bugs(row) for cause in _with_mend(bug, failing, whole)
    )


def _with_mend(bug: Change, failing: Lineage, whole: Lineage) -> tuple[Change, ...]:
    mend = find_change(bug.until) if bug.until else None
    if mend and whole.includes(mend) and whole.includes(bug) and not failing.includes(mend):
        return (mend,)
    return (bug,)


def _about(row: int, before: Lineage, after: Lineage, *, bugs: bool = True) -> tuple[Change, ...]:
    """Entries about a row that one of both has and the other has not, or has mended."""
    return tuple(
        change
        for change in changes()
        if row in change.shows or (bugs and row in _deciding(change))
        if _state(change, before) != _state(change, after)
    )


def _deciding(change: Change) -> frozenset[int]:
    return frozenset(change.mends) | frozenset(change.breaks)


def _state(change: Change, lineage: Lineage) -> tuple[bool, bool]:
    present = lineage.includes(change)
    return present, bool(change.breaks) and present and lineage.has_mended(change)


def _proof(seen: tuple[Sight, Sight]) -> str:
    """What a kernel said of itself: its configuration, or an answer that means nothing else.

    It excuses no failure that nobody knows of.
    """
    if any(one.verdict is Verdict.FAIL for one in seen):
        return ""
    told = (f"{one.verdict}: {_lasting(one)}" for one in seen if one.verdict in NOT_ALLOWED)
    return "; ".join(dict.fromkeys(told))


def _lasting(sight: Sight) -> str:
    """Its message without what is another in each run, so that rows alike share a line."""
    return _OF_ONE_RUN.sub("", sight.message)
