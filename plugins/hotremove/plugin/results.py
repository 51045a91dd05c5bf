# SPDX-License-Identifier: Apache-2.0
"""The results of a run while it goes on: of this process, or of all workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from hotremove.plugin.host_loss import moved_from

if TYPE_CHECKING:
    from hotremove.results.record import Result
    from hotremove.verdict.allowances import AllowanceBook

RESULT = "hotremove"
"""Attribute of a phase's report: its result, as `dataclasses.asdict` gives it."""
PARTS = "hotremove_parts"
"""Attribute of a phase's report: the results of the test's parts, the same."""
ALLOWANCES = "hotremove_allowances"
"""Attribute of a phase's report: how the scenario's allowances fared."""
ENVIRONMENT = "hotremove_environment"
"""Attribute of a setup's report: what the run ran on."""
RESULTS: pytest.StashKey[Results] = pytest.StashKey()
"""On the config: the results so far."""
_SELECTED = "hotremove_selected"
_LEFT_OUT = "hotremove_left_out"
_PHASES = ("setup", "call", "teardown")
_ENDED_BEFORE = "the run ended before it"


class Results:
    """The results so far, by test; a plugin, so that it sees the reports of xdist's workers too.

    Attributes:
        environment: what the run ran on and with.
        moved: what tests have lost that ran again elsewhere, by test.
        left_out: scenarios that were collected and not selected, by their kernel's spec.
        started: when the run began.
    """

    def __init__(self, expected: bool = True) -> None:
        """No result yet; `expected` tells whether the run is known to be about guests."""
        self._expected = expected
        self._by_test: dict[str, Result] = {}
        self._begun: dict[str, Result] = {}
        self._selected: dict[str, Result] = {}
        self._seconds: dict[str, float] = {}
        self._tried: dict[str, tuple[str, ...]] = {}
        self._parts: dict[str, list[Result]] = {}
        self._order: dict[str, int] = {}
        self._told = False
        self.environment: dict[str, str] = {}
        self.moved: dict[str, str] = {}
        self.left_out: Counter[str] = Counter()
        self.started = datetime.now(UTC).isoformat(timespec="seconds")

    @cached_property
    def book(self) -> AllowanceBook:
        """How the allowances fared."""
        from hotremove.verdict.allowances import AllowanceBook

        return AllowanceBook()

    def select(self, selected: Iterable[Result]) -> None:
        """Note which tests are to run; those that come to nothing are `not-run` in the end."""
        for result in selected:
            self._selected[result.test] = replace(result, message=_ENDED_BEFORE)

    def leave_out(self, kernels: Iterable[str]) -> None:
        """Note a scenario that was not selected for each of the kernels, by spec."""
        self.left_out.update(kernels)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Note in which order the tests stand, as workers end them in another."""
        self._order = {test: place for place, test in enumerate(ids)}

    def tell(self, report: pytest.TestReport) -> None:
        """Put into a report, once, what is to run: a controller of xdist collects nothing.

        With the first report, not at the end: a controller that is interrupted hears no more.
        """
        if not self._told:
            setattr(report, _SELECTED, [asdict(result) for result in self._selected.values()])
            setattr(report, _LEFT_OUT, dict(self.left_out))
        self._told = True

    def _hear(self, report: pytest.TestReport) -> None:
        """Take over what a worker is to run; all workers have collected the same."""
        self.select(_result_of(facts) for facts in getattr(report, _SELECTED, ()))
        self.left_out |= Counter(getattr(report, _LEFT_OUT, {}))

    @pytest.hookimpl(tryfirst=True)  # what the terminal has shown is kept, whenever a run is ended
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the result out of a phase's report; a bad teardown overrides a good call."""
        test = report.nodeid
        self._seconds[test] = self._seconds.get(test, 0.0) + report.duration
        self._enter(getattr(report, ALLOWANCES, None))
        self.environment.update(getattr(report, ENVIRONMENT, {}))
        self._hear(report)
        lost = moved_from(report)
        if lost:  # what it said is no verdict, nor a try of the test
            self.moved[test] = lost
            return
        if report.when == "setup" and test in self._by_test:
            before = self._by_test.pop(test)  # the test is tried again, which must not hide it
            self._parts.pop(test, None)
            self._tried[test] = (*self._tried.get(test, ()), before.verdict)
        facts: dict[str, Any] | None = getattr(report, RESULT, None)
        if facts and report.when == "setup" and report.passed:
            self._begun[test] = _result_of(facts)
        elif facts:
            self._by_test[test] = _result_of(facts)
            self._parts[test] = [_result_of(part) for part in getattr(report, PARTS, ())]
        elif report.when not in _PHASES and (self._expected or self._begun):
            # What xdist says of a worker that died; the worker itself can say no more.
            begun = self._begun.get(test) or _unheard_of(test)
            self._by_test[test] = _lost(begun, str(report.longrepr))

    def _enter(self, allowances: Mapping[str, Any] | None) -> None:
        if allowances is not None:
            from hotremove.verdict.allowances import AllowanceUsage

            self.book.enter(AllowanceUsage(**allowances))

    def all(self) -> list[Result]:
        """Every result, with the test's whole duration and the verdicts of earlier tries.

        Those of parts stand behind their test's.
        In the order of collection where workers ran them, else in that of running. Tests that were
        selected and came to nothing are among them, once one has come to something.
        """
        rows = {**(self._selected if self._by_test else {}), **self._by_test}
        ordered = sorted(rows.items(), key=lambda row: self._order.get(row[0], 0))
        return [one for test, result in ordered for one in self._with_parts(test, result)]

    def _with_parts(self, test: str, result: Result) -> Iterator[Result]:
        """A test's result, as it is in the end, then those of its parts."""
        yield replace(
            result,
            duration_s=round(self._seconds.get(test, 0.0), 3),
            attempts=self._tried.get(test, ()),
        )
        yield from self._parts.get(test, ())


def is_result(report: pytest.TestReport) -> bool:
    """Whether a report carries the result of a test on a kernel under test."""
    return hasattr(report, RESULT)


def _result_of(facts: Mapping[str, Any]) -> Result:
    from hotremove.results.record import Result

    return Result.of(facts)


def _lost(begun: Result, told: str) -> Result:
    from hotremove.verdict.verdict import Verdict

    return replace(begun, verdict=str(Verdict.LOST), message=told)


def _unheard_of(test: str) -> Result:
    """The result of a test whose process ended before it said which kernel it was about."""
    from hotremove.results.record import Result
    from hotremove.verdict.verdict import Verdict

    return Result(
        kernel="",
        kernel_version="",
        kernel_label="",
        scenario=test.rpartition("::")[2],
        test=test,
        pin="",
        outcome="",
        verdict=str(Verdict.LOST),
        duration_s=0.0,
        evidence="",
    )
