# SPDX-License-Identifier: Apache-2.0
"""From pytest's reports to results, and from results to the end of the terminal's output."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.terminal import TerminalReporter

from hotremove import progress
from hotremove.allowances import AllowanceBook, Settled
from hotremove.dimensions import parameter, row_of
from hotremove.errors import GuestDied, HotremoveError
from hotremove.farm.moving import moved_from
from hotremove.notes import noted
from hotremove.pins.buffer import PinRefused
from hotremove.pins.pin import PinnedInMovable
from hotremove.quiet import reported_besides
from hotremove.report import costs
from hotremove.report.environment import describe
from hotremove.report.junit import properties
from hotremove.report.outputs import write_beside
from hotremove.report.record import Result, write_record
from hotremove.report.terminal import highlights, recorded, table, tally, widths, wrapped
from hotremove.stash import BOOK, EVIDENCE, FARM, GUEST, METER, RESULTS, SETTLED
from hotremove.verdict.expectation import Finding, add_to, against_lineage, with_fix_off
from hotremove.verdict.judge import judge
from hotremove.verdict.lineage import Lineage
from hotremove.verdict.outcome import Outcome, Verdict
from hotremove.verdict.removal import UnexpectedOutcome
from hotremove.verdict.splats import KernelSplat

if TYPE_CHECKING:
    from hotremove.farm.farm import Farm
    from hotremove.kernels.kernel import Kernel

_ATTRIBUTE = "hotremove"
_ALLOWANCES = "hotremove_allowances"
_ENVIRONMENT = "hotremove_environment"
_ENDLESS = 1 << 20
_INDENTED: Any = {
    "initial_indent": "  ",
    "subsequent_indent": "  ",
    "break_on_hyphens": False,
    "break_long_words": False,
}
_PHASES = ("setup", "call", "teardown")
# Errors that carry their own explanation; the farm's frames would only hide it.
_SELF_EXPLAINING = (HotremoveError, UnexpectedOutcome, KernelSplat, PinRefused)


class Results:
    """The results so far, by test; a plugin, so that it sees the reports of xdist's workers too."""

    def __init__(self, book: AllowanceBook) -> None:
        """No result yet; what becomes of allowances is entered in `book`."""
        self._book = book
        self._by_test: dict[str, Result] = {}
        self._begun: dict[str, Result] = {}
        self._seconds: dict[str, float] = {}
        self._tried: dict[str, tuple[str, ...]] = {}
        self._order: dict[str, int] = {}
        self.environment: dict[str, str] = {}
        self.moved: dict[str, str] = {}
        self.started = datetime.now(UTC).isoformat(timespec="seconds")

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Note in which order the tests stand, as workers end them in another."""
        self._order = {test: place for place, test in enumerate(ids)}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the result out of a phase's report; a bad teardown overrides a good call."""
        test = report.nodeid
        self._seconds[test] = self._seconds.get(test, 0.0) + report.duration
        self._book.enter(Settled(**getattr(report, _ALLOWANCES, {})))
        self.environment.update(getattr(report, _ENVIRONMENT, {}))
        lost = moved_from(report)
        if lost:  # what it said is no verdict, nor a try of the test
            self.moved[test] = lost
            return
        if report.when == "setup" and test in self._by_test:
            before = self._by_test.pop(test)  # the test is tried again, which must not hide it
            self._tried[test] = (*self._tried.get(test, ()), before.verdict)
        facts: dict[str, Any] | None = getattr(report, _ATTRIBUTE, None)
        if facts and report.when == "setup" and report.passed:
            self._begun[test] = Result.of(facts)
        elif facts:
            self._by_test[test] = Result.of(facts)
        elif report.when not in _PHASES:
            # What xdist says of a worker that died; the worker itself can say no more.
            begun = self._begun.get(test) or _unheard_of(test)
            told = str(report.longrepr)
            self._by_test[test] = replace(begun, verdict=str(Verdict.LOST), message=told)

    def all(self) -> list[Result]:
        """Every result, with the test's whole duration and the verdicts of earlier tries.

        In the order of collection where workers ran them, else in that of running.
        """
        rows = self._by_test.items()
        return [
            replace(
                result,
                duration_s=round(self._seconds[test], 3),
                attempts=self._tried.get(test, ()),
            )
            for test, result in sorted(rows, key=lambda row: self._order.get(row[0], 0))
        ]


def _unheard_of(test: str) -> Result:
    """The result of a test whose process ended before it said which kernel it was about."""
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


def header(farm: Farm) -> list[str]:
    """Which kernels run, under what and why."""
    kernels = ", ".join(f"{kernel.spec} = {kernel.version}" for kernel in farm.kernels)
    return [
        f"hotremove: kernels: {kernels}",
        f"hotremove: guests {_place(farm)}",
        f"hotremove: --seed {farm.options.seed} --rounds {farm.options.rounds}",
    ]


def _place(farm: Farm) -> str:
    if not farm.has_place:
        return "wait for a slot: others hold all of them"
    accelerator = farm.accelerator
    return (
        f"under {accelerator.kind.upper()}, because {accelerator.reason}; "
        f"libvirt at {farm.stable.hypervisor.uri}"
    )


def say_header(farm: Farm) -> None:
    """Tell the header at once, from a worker: the controller would have it from nobody."""
    for line in header(farm):
        progress.say(line.removeprefix("hotremove: "))


def annotate(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
    """Give a phase's report its result, and say it in the scenario's terms."""
    error = call.excinfo.value if call.excinfo else None
    if error is None and call.when == "teardown":
        return
    if call.excinfo and isinstance(error, _SELF_EXPLAINING):
        report.longrepr = call.excinfo.getrepr(style="short", tbfilter=_scenario_only)
    alone = _alone(item, call, error)
    found = _against_expectations(item, alone) if call.when == "call" else alone
    if call.when == "teardown" and found.verdict is Verdict.FAIL:
        found = Finding(Verdict.ERROR, found.message)
    if found.verdict is not alone.verdict or found.verdict is Verdict.SKIP:
        _restate(item, report, found)
    result = _result(item, found, error)
    setattr(report, _ATTRIBUTE, asdict(result))
    if call.when == "setup":
        setattr(report, _ENVIRONMENT, describe(item.config.stash[FARM]))
    _tell_properties(item, report, result)
    if call.when == "call" and SETTLED in item.stash:
        setattr(report, _ALLOWANCES, asdict(item.stash[SETTLED]))


def _tell_properties(item: pytest.Item, report: pytest.TestReport, result: Result) -> None:
    """Give the test its properties; junitxml takes them from the teardown's report."""
    told = dict(properties(result))
    others = [one for one in item.user_properties if one[0] not in told]
    item.user_properties[:] = [*others, *told.items()]
    report.user_properties[:] = item.user_properties


def _alone(item: pytest.Item, call: pytest.CallInfo[None], error: BaseException | None) -> Finding:
    """What a phase says by itself, expectations aside."""
    if error is None:
        return Finding(judge(error), noted(item))
    verdict, message = judge(error), _message(error)
    if call.when != "call" or verdict is not Verdict.FAIL:
        return Finding(verdict, message)
    reports = reported_besides(item, error)
    if reports and not isinstance(error, KernelSplat) and reports[0] not in message:
        message = add_to(message, f"; the kernel reported besides: {'; '.join(reports)}")
    return Finding(verdict, message, shows_missing_fix(error), reports)


def _against_expectations(item: pytest.Item, found: Finding) -> Finding:
    options = item.config.stash[FARM].options
    row = row_of(item)
    if not parameter(item, "fix", True):
        return with_fix_off(found, row)
    if options.expect == "lineage":
        version = parameter(item, "kernel", None).point_release
        return against_lineage(found, row, Lineage(version, options.has, options.lacks))
    return found


def is_result(report: pytest.TestReport) -> bool:
    """Whether a report carries the result of a test on a kernel under test."""
    return hasattr(report, _ATTRIBUTE)


def shows_missing_fix(error: BaseException | None) -> bool:
    """Whether a scenario failed by what the fix is there for, and not by something else."""
    if isinstance(error, UnexpectedOutcome):
        return error.removal.shows_missing_fix
    return isinstance(error, PinnedInMovable)


def _restate(item: pytest.Item, report: pytest.TestReport, found: Finding) -> None:
    """Make pytest's own report say what the verdict says."""
    if found.verdict in (Verdict.SKIP, Verdict.KNOWN_BUG):
        if not report.skipped:
            report.longrepr = (str(item.path), item.location[1] or 0, f"Skipped: {found.message}")
        report.outcome = "skipped"
        if found.verdict is Verdict.KNOWN_BUG:
            report.wasxfail = found.message.partition("\n")[0]
    elif found.verdict is Verdict.PASS:
        report.outcome, report.longrepr = "passed", None
    elif report.passed:
        report.outcome, report.longrepr = "failed", found.message


def _scenario_only(excinfo: pytest.ExceptionInfo[BaseException]) -> Any:
    """The traceback's last entry that is neither the farm's nor pytest's, or its very last."""
    strangers = ("/hotremove/", "/_pytest/", "/pluggy/")
    own = [e for e in excinfo.traceback if not any(name in str(e.path) for name in strangers)]
    inside = [e for e in excinfo.traceback if "/hotremove/scenarios/" in str(e.path)]
    kept = inside or own or list(excinfo.traceback)
    return type(excinfo.traceback)(kept[-1:])


def _result(item: pytest.Item, found: Finding, error: BaseException | None) -> Result:
    kernel: Kernel = parameter(item, "kernel", None)
    return Result(
        kernel=kernel.spec,
        kernel_version=kernel.version,
        kernel_label=kernel.label,
        scenario=str(row_of(item)),
        test=item.nodeid,
        pin=str(parameter(item, "pinner", "")),
        outcome=_outcome(item, error),
        verdict=str(found.verdict),
        duration_s=0.0,
        evidence=_evidence(item),
        message=found.message,
        fix_off=not parameter(item, "fix", True),
        costs=item.stash[METER].fresh if METER in item.stash else (),
    )


def _outcome(item: pytest.Item, error: BaseException | None) -> str:
    guest = item.stash.get(GUEST, None)
    if guest and guest.removals:
        return str(guest.removals[-1].outcome)
    return str(Outcome.GUEST_DIED) if isinstance(error, GuestDied) else ""


def _evidence(item: pytest.Item) -> str:
    evidence = item.stash.get(EVIDENCE, None)
    return evidence.directory.name if evidence and evidence.directory else ""


def _message(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    told = text if isinstance(error, _SELF_EXPLAINING) else text.splitlines()[0]
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    return told + notes


def write(config: pytest.Config) -> None:
    """Write the record and the reports made of it, on the process that has all results."""
    farm, results = config.stash[FARM], config.stash[RESULTS]
    directory = farm.options.artifacts
    if directory and results.all() and not hasattr(config, "workerinput"):
        directory.mkdir(parents=True, exist_ok=True)
        environment = {**describe(farm), **results.environment}
        if results.moved:
            environment["moved"] = "; ".join(moves(results.moved))
        write_beside(write_record(directory, results.all(), results.started, environment))


def moves(moved: Mapping[str, str]) -> list[str]:
    """What became of tests whose host died, a line for each: by test, the host."""
    return [f"{test}: it lost {lost}, and ran elsewhere" for test, lost in moved.items()]


def summarize(reporter: TerminalReporter, config: pytest.Config) -> None:
    """The table, the first things to look at, the tally."""
    results = config.stash[RESULTS].all()
    if not results:
        return
    reporter.section("hot-remove: kernels by scenarios")
    # Wrapped for people only: in a log each row and each explanation is one line, to be searched.
    columns = reporter._tw.fullwidth if reporter._tw._file.isatty() else _ENDLESS
    _draw(reporter, list(wrapped(table(results), columns)))
    for heading, message in highlights(results):
        reporter.line("")
        reporter.line(heading, bold=True)
        reporter.line(textwrap.fill(message, columns - 1, **_INDENTED))
    seen = recorded(results)
    if seen:
        reporter.line("")
        reporter.line("recorded", bold=True)
    for line in seen:
        reporter.line(textwrap.fill(line, columns - 1, **_INDENTED))
    reporter.line("")
    for line in costs.lines(results):
        reporter.line(textwrap.fill(line, columns - 1, subsequent_indent="  "))
    reporter.line(tally(results))
    for remark in _remarks(config):
        reporter.line(remark)
    directory = config.stash[FARM].options.artifacts
    if directory:
        reporter.line(f"evidence: {directory}")


def _remarks(config: pytest.Config) -> list[str]:
    """What is to be known beside the results: moved tests, and allowances to look at."""
    moved = (f"moved {move}" for move in moves(config.stash[RESULTS].moved))
    return [*moved, *(f"allowance {remark}" for remark in config.stash[BOOK].remarks())]


def _draw(reporter: TerminalReporter, rows: list[list[tuple[str, str]]]) -> None:
    wide = widths(rows)
    for row in rows:
        for (text, colour), width in zip(row[:-1], wide, strict=False):
            reporter.write(text.ljust(width + 2), **({colour: True} if colour else {}))
        text, colour = row[-1]
        reporter.line(text, **({colour: True} if colour else {}))
