# SPDX-License-Identifier: Apache-2.0
"""Two runs held against each other: what got worse, better, unsteady or slower.

The same test of two runs is found by the kernel's spec, so that the newest kernel of a suite is
held against last night's; where each run has one kernel left that the other has not, these two are
held against each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hotremove.pincost.changes import CostChange, Measured, changes_of_cost
from hotremove.results.naming import nameless, title
from hotremove.results.record import Record, Result
from hotremove.verdict.verdict import BAD, LOOKED, Verdict

# Guests under TCG on a shared host: less than this is noise.
_SLOWER = 1.5
_SLOWER_BY = 5.0
# What is not looked at any more is worse than a pass, whatever the reason.
_BADNESS = {
    Verdict.PASS: 0,
    Verdict.ABSENT: 1,
    Verdict.NOT_APPLICABLE: 1,
    Verdict.WAIVED: 1,
    Verdict.SKIP: 1,
    Verdict.KNOWN_BUG: 2,
    Verdict.NOT_RUN: 3,
    Verdict.BLOCKED: 3,
    Verdict.ERROR: 3,
    Verdict.LOST: 3,
    Verdict.FAIL: 3,
}
# What counts instructions, by its name in a run's environment: QEMU, and the guest's programs.
_COUNTERS = ("pytest-hotremove", "hypervisor")
# Nobody looked, for a reason.
_UNLOOKED = frozenset(Verdict) - LOOKED - BAD


@dataclass(frozen=True)
class Difference:
    """A test that came out otherwise.

    Attributes:
        row: the scenario with all it was run over.
        test: its id without the kernel.
        kernels: version before, and now.
        before: verdict, with the outcome where it explains it.
        after: the same of the later run.
        message: why it is as it is now.
    """

    row: str
    test: str
    kernels: tuple[str, str]
    before: str
    after: str
    message: str


@dataclass(frozen=True)
class Pace:
    """A test that takes another time, in seconds on the host."""

    row: str
    test: str
    kernel: str
    before: float
    after: float


@dataclass(frozen=True)
class Flake:
    """A test that came out one way and another in one run."""

    row: str
    test: str
    kernel: str
    verdicts: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """What a later run shows against an earlier one.

    Attributes:
        regressions: worse than before.
        fixes: better than before.
        changes: neither, but not the same: another outcome, another reason not to look.
        flakes: of the later run.
        paces: much slower or faster.
        costs: pins that cost more or less.
        counted_by: what counted them the one time and what the other, where that differs, so that
            the kernel need not be why they cost more or less.
        gone: tests that are in the earlier run only.
        added: tests that are in the later run only.
    """

    regressions: tuple[Difference, ...]
    fixes: tuple[Difference, ...]
    changes: tuple[Difference, ...]
    flakes: tuple[Flake, ...]
    paces: tuple[Pace, ...]
    gone: tuple[str, ...]
    added: tuple[str, ...]
    costs: tuple[CostChange, ...] = ()
    counted_by: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For other programs; docs/results.md explains it."""
        return {"schema": 1, **asdict(self)}

    @property
    def summary(self) -> str:
        """How much of each there is."""
        counts = {
            "regression": len(self.regressions),
            "fix": len(self.fixes),
            "other change": len(self.changes),
            "flake": len(self.flakes),
            "change of pace": len(self.paces),
            "change of cost": len(self.costs),
            "test gone": len(self.gone),
            "new test": len(self.added),
        }
        return ", ".join(_count(n, noun) for noun, n in counts.items() if n) or "no difference"


Key = tuple[str, str]


def compare(before: Record, after: Record) -> Comparison:
    """Hold a later run against an earlier one."""
    instead = partners(before.results, after.results)
    old = _by_key(before.results, {})
    new = _by_key(after.results, instead)
    both = [(old[key], new[key]) for key in new if key in old]
    changed = [pair for pair in both if _told(pair[0]) != _told(pair[1])]
    costs = changes_of_cost(_measured(before.results, {}), _measured(after.results, instead))
    return Comparison(
        regressions=tuple(_difference(*pair) for pair in changed if _worse(*pair) > 0),
        fixes=tuple(_difference(*pair) for pair in changed if _worse(*pair) < 0),
        changes=tuple(_difference(*pair) for pair in changed if _worse(*pair) == 0),
        flakes=tuple(_flake(result) for result in after.results if result.flaky),
        paces=tuple(_pace(*pair) for pair in both if _changed_pace(*pair)),
        gone=tuple(old[key].test for key in old if key not in new),
        added=tuple(new[key].test for key in new if key not in old),
        costs=tuple(costs),
        counted_by=tuple(_changed_counters(before.environment, after.environment)),
    )


def key_of(result: Result) -> Key:
    """What a test is called in `Difference`: by its kernel's version, its id without the kernel."""
    return result.kernel_version, nameless(result)


def partners(before: Iterable[Result], after: Iterable[Result]) -> Mapping[str, str]:
    """Which kernel of the earlier run each kernel of the later one is held against, by spec."""
    old = dict.fromkeys(result.kernel for result in before)
    new = dict.fromkeys(result.kernel for result in after)
    left_old = [kernel for kernel in old if kernel not in new]
    left_new = [kernel for kernel in new if kernel not in old]
    return {left_new[0]: left_old[0]} if len(left_old) == len(left_new) == 1 else {}


def _by_key(results: Iterable[Result], instead: Mapping[str, str]) -> dict[Key, Result]:
    return {
        (instead.get(result.kernel, result.kernel), nameless(result)): result for result in results
    }


def _worse(before: Result, after: Result) -> int:
    """Above 0 where it is worse, below where better.

    A known bug that was not looked for the other time is neither: it may have been there.
    """
    pair = {Verdict(before.verdict), Verdict(after.verdict)}
    if Verdict.KNOWN_BUG in pair and pair & _UNLOOKED:
        return 0
    return _BADNESS[Verdict(after.verdict)] - _BADNESS[Verdict(before.verdict)]


def _told(result: Result) -> str:
    """The verdict, with the outcome where there is one: a pass by another outcome is a change."""
    return f"{result.verdict} ({result.outcome})" if result.outcome else result.verdict


def _difference(before: Result, after: Result) -> Difference:
    return Difference(
        row=title(after),
        test=nameless(after),
        kernels=(before.kernel_version, after.kernel_version),
        before=_told(before),
        after=_told(after),
        message=after.message.partition("\n")[0],
    )


def _flake(result: Result) -> Flake:
    verdicts = (*result.attempts, result.verdict)
    return Flake(title(result), nameless(result), result.kernel_version, verdicts)


def _changed_pace(before: Result, after: Result) -> bool:
    """Whether the same ending took a much longer or shorter time."""
    if _told(before) != _told(after) or before.verdict not in LOOKED:
        return False
    slow, quick = sorted((before.duration_s, after.duration_s), reverse=True)
    return slow > quick * _SLOWER and slow - quick > _SLOWER_BY


def _pace(before: Result, after: Result) -> Pace:
    times = (before.duration_s, after.duration_s)
    return Pace(title(after), nameless(after), after.kernel_version, *times)


def _measured(results: Iterable[Result], instead: Mapping[str, str]) -> Measured:
    """What was measured of each kernel, by its spec, with its version."""
    return {
        (instead.get(result.kernel, result.kernel), cost.point): (cost, result.kernel_version)
        for result in results
        for cost in result.costs
        if not cost.refused
    }


def _changed_counters(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    """What the one time counted instructions, and what the other, where that differs."""
    for name in _COUNTERS:
        old, new = (environment.get(name, "unknown") for environment in (before, after))
        if old != new:
            yield f"{name} {old}, now {new}"


def _count(number: int, noun: str) -> str:
    if number == 1:
        return f"1 {noun}"
    plurals: Mapping[str, str] = {
        "change of cost": "changes of cost",
        "fix": "fixes",
        "change of pace": "changes of pace",
        "test gone": "tests gone",
    }
    return f"{number} {plurals.get(noun, noun + 's')}"
