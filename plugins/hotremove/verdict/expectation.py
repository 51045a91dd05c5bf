# SPDX-License-Identifier: Apache-2.0
"""From a verdict alone to a verdict against what was expected."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hotremove.faults.fault import Fault
from hotremove.lineage.changes import Change, Lineage
from hotremove.verdict.scenario_id import ScenarioId
from hotremove.verdict.verdict import NOT_ALLOWED, Verdict

NOTICED = "noticed: "
"""Begins the message of a run that noticed its fault; what it noticed follows."""
MISSED = " does not notice "
"""Ends the message of one that passes, before the fault's name."""
WRONGLY = "fails, and not by what is wrong with "
"""Begins the message of one that failed by something else."""
UNASKED = "a control notices "
"""Begins the message of a control that failed by its fault, though it does not say so."""


@dataclass(frozen=True)
class Finding:
    """A verdict and why.

    Attributes:
        verdict: the verdict.
        message: in words.
        pins_stayed: long-term pins lay in the memory that was to go: what the fix is there for.
        reports: what the kernel reported that nobody allowed, a title each; its death is one.
        unread: why the kernel's log could not be read to its end; empty where it was.
    """

    verdict: Verdict
    message: str
    pins_stayed: bool = False
    reports: tuple[str, ...] = ()
    unread: str = ""


def against_log(found: Finding, reports: tuple[str, ...], unread: str = "") -> Finding:
    """Hold what was found against what the kernel reported besides.

    A report that nobody allowed is evidence against the kernel, however the scenario ended. Where
    the log could not be read, no claim that the kernel allows nothing can be trusted.
    """
    if reports and found.verdict is not Verdict.FAIL:
        told = f"the kernel reported: {'; '.join(reports)}; the scenario itself ended as "
        return Finding(Verdict.FAIL, f"{told}{found.verdict}: {found.message}", reports=reports)
    message = found.message
    if reports and reports[0] not in message:
        message = add_to(message, f"; the kernel reported besides: {'; '.join(reports)}")
    if unread and unread not in message:
        message = add_to(message, f"; afterwards: {unread}")
    lost = unread and found.verdict in (*NOT_ALLOWED, Verdict.WAIVED)
    verdict = Verdict.LOST if lost else found.verdict
    return replace(found, verdict=verdict, message=message, reports=reports, unread=unread)


def expected_to_fail(found: Finding, reason: str) -> Finding:
    """What `pytest.mark.xfail` says is known, unless the kernel's log says more or is lost."""
    if found.verdict is not Verdict.FAIL or found.reports or found.unread:
        return found
    return Finding(Verdict.KNOWN_BUG, add_to(found.message, f" [xfail: {reason or 'no reason'}]"))


def against_lineage(
    found: Finding, scenario: ScenarioId, lineage: Lineage, *, demanded: bool = True
) -> Finding:
    """A failure that the lineage knows is `known-bug`; one that does not show is a failure.

    A failure of another kind than the bug's is none that is known: a kernel that panics where it is
    known to get stuck is red. Everything else stays as it is: a lost guest or a skip says nothing.
    Where the bug is not `demanded`, a scenario that passes is a pass: a vendor may have mended it.
    A bug that shows in any row is never demanded, and excuses a control too.
    """
    if found.verdict is Verdict.FAIL and not found.pins_stayed and not found.unread:
        spoiler = lineage.spoiler(found.message, found.reports)
        if spoiler:
            return _known(found, _about(spoiler, lineage))
    bug = find_bug(scenario, lineage)
    if bug is None:
        return found
    if found.verdict is Verdict.FAIL:
        return _against_bug(found, bug, _about(bug, lineage))
    if demanded and found.verdict is Verdict.PASS:
        told = f"the known bug did not show: {_about(bug, lineage)}, yet the scenario passes"
        return Finding(Verdict.FAIL, told)
    return found


def find_bug(scenario: ScenarioId, lineage: Lineage) -> Change | None:
    """The bug by which a scenario is expected to fail on a kernel."""
    if scenario.control:
        return None
    return lineage.known_bug(scenario.number, pinned=not scenario.unpinned)


def with_fault(found: Finding, scenario: ScenarioId, fault: Fault, *, must: bool) -> Finding:
    """What a run with a fault shows: one that must notice has to fail by what the fault spoils.

    A scenario that need not notice may pass; a control has to where the fault is about what it
    leaves out, unless it says that it notices.
    What was lost, blocked, or is not to be had says nothing, and stays what it is.
    """
    if found.verdict is Verdict.PASS:
        told = f"{scenario}{MISSED}{fault}"
        return Finding(Verdict.FAIL if must else Verdict.PASS, told)
    if found.verdict is not Verdict.FAIL:
        return found
    if not shows(found, fault):
        return replace(found, message=f"{WRONGLY}{fault}: {found.message}")
    if scenario.control and fault.spares_controls and not must:
        return replace(found, message=f"{UNASKED}{fault}: {found.message}")
    return Finding(Verdict.PASS, f"{NOTICED}{found.message}")


def shows(found: Finding, fault: Fault) -> bool:
    """Whether a failure is one that the fault makes, by what it names."""
    return (fault.pins_stay and found.pins_stayed) or fault.shows_in(found.message)


def _against_bug(found: Finding, bug: Change, about: str) -> Finding:
    if bug.shows_as(found.pins_stayed, found.reports):
        if found.unread:
            return replace(found, verdict=Verdict.LOST)
        return _known(found, about)
    return Finding(Verdict.FAIL, add_to(found.message, f"; not as the known bug shows: {about}"))


def _known(found: Finding, about: str) -> Finding:
    return Finding(Verdict.KNOWN_BUG, add_to(found.message, f" [known: {about}]"))


def add_to(message: str, words: str) -> str:
    """Put more into a message's first line, which is all that lists of results show."""
    first, newline, rest = message.partition("\n")
    return f"{first}{words}{newline}{rest}"


def _about(bug: Change, lineage: Lineage) -> str:
    place = "has" if lineage.includes(bug) else "lacks"
    return f"{'.'.join(map(str, lineage.version))} {place} {bug}"
