# SPDX-License-Identifier: Apache-2.0
"""What a scenario's kernel may report, and what it must: markers, allow files, and the judgement.

`@pytest.mark.allow_splat(kind, pattern=None, reason=…, expires="2027-01-31")` lets a report pass;
`@pytest.mark.expect_splat(kind, pattern=None)` requires one, a panic for instance, and then the
guest's death is what the scenario asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from hotremove.errors import UsageProblem
from hotremove.observe.kernellog.allowance import Allowance, judge, load_allowances
from hotremove.observe.kernellog.report import Report
from hotremove.verdict.splats import KernelSplat

_FATAL = frozenset({"panic"})


@dataclass(frozen=True)
class ReportExpectations:
    """What one scenario says of its kernel's reports.

    Attributes:
        allowed: reports that may come.
        expected: reports that must come; they may, too.
    """

    allowed: tuple[Allowance, ...] = ()
    expected: tuple[Allowance, ...] = ()

    @property
    def expect_death(self) -> bool:
        """Whether the guest is meant to die."""
        return any(one.kind in _FATAL for one in self.expected)


@dataclass(frozen=True)
class AllowanceUsage:
    """How the allowances of one scenario fared, as texts for the end of the run."""

    used: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()


@dataclass
class AllowanceBook:
    """How all allowances of a run fared. One that a scenario used is not unused elsewhere."""

    used: set[str] = field(default_factory=set)
    unused: set[str] = field(default_factory=set)
    expired: set[str] = field(default_factory=set)

    def enter(self, usage: AllowanceUsage) -> None:
        """Take in one scenario's."""
        self.used |= set(usage.used)
        self.unused |= set(usage.unused)
        self.expired |= set(usage.expired)

    def remarks(self) -> list[str]:
        """What somebody should look at."""
        idle = sorted(self.unused - self.used)
        return [
            *(f"expired, and its report came: {one}" for one in sorted(self.expired)),
            *(f"not needed in this run: {one}" for one in idle),
        ]


def read_expectations(item: pytest.Item, files: Iterable[Path]) -> ReportExpectations:
    """What a test says of its kernel's reports: its markers and the allow files.

    Raises:
        UsageProblem: a marker or a file makes no sense.
    """
    marked = tuple(_allowed(mark, item.nodeid) for mark in item.iter_markers("allow_splat"))
    from_files = tuple(one for path in files for one in load_allowances(path))
    expected = tuple(_expected(mark, item.nodeid) for mark in item.iter_markers("expect_splat"))
    return ReportExpectations((*marked, *from_files), expected)


def check_reports(
    reports: Sequence[Report],
    expectations: ReportExpectations,
    *,
    kernel: str,
    scenario: str,
    today: date,
) -> AllowanceUsage:
    """Hold what a kernel reported against what a scenario says of it.

    Raises:
        KernelSplat: it reported what nothing allows.
        AssertionError: it did not report what it must.
    """
    __tracebackhide__ = True
    for one in expectations.expected:
        if not any(map(one.fits, reports)):
            raise AssertionError(f"the kernel did not report what was expected: {one}")
    everything = (*expectations.allowed, *expectations.expected)
    found = judge(reports, everything, today=today, kernel=kernel, scenario=scenario)
    if found.failing:
        raise KernelSplat(found.failing, found.expired)
    used = {str(by) for _, by in found.allowed}
    unused = {str(one) for one in found.unused if one in expectations.allowed} - used
    return AllowanceUsage(
        tuple(sorted(used)), tuple(sorted(unused)), tuple(map(str, found.expired))
    )


def _allowed(mark: pytest.Mark, test: str) -> Allowance:
    words = _words(mark, test, ("kind", "pattern", "reason", "expires"))
    try:
        expires = date.fromisoformat(words.pop("expires"))
    except (KeyError, TypeError, ValueError) as error:
        message = f'{test}: allow_splat needs expires="YYYY-MM-DD", a last day'
        raise UsageProblem(message) from error
    reason = str(words.pop("reason", ""))
    return Allowance(reason, expires=expires, source=f"{test}: allow_splat", **words)


def _expected(mark: pytest.Mark, test: str) -> Allowance:
    words = _words(mark, test, ("kind", "pattern"))
    return Allowance("the scenario expects it", source=f"{test}: expect_splat", **words)


def _words(mark: pytest.Mark, test: str, names: tuple[str, ...]) -> dict[str, Any]:
    """A marker's arguments by name; positional ones in the order of `names`."""
    words = {**dict(zip(names, mark.args, strict=False)), **mark.kwargs}
    unknown = ", ".join(sorted(words.keys() - set(names)))
    if unknown or len(mark.args) > len(names):
        raise UsageProblem(f"{test}: {mark.name} takes {', '.join(names)}, not {unknown or 'more'}")
    return words
