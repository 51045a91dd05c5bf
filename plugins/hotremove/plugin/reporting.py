# SPDX-License-Identifier: Apache-2.0
"""From pytest's reports to results, and from results to the end of the terminal's output."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from hotremove import progress
from hotremove.analysis import coverage
from hotremove.analysis.faults import matrices
from hotremove.analysis.news import News, since_last_filed
from hotremove.errors import DataProblem, GuestDied, HotremoveError
from hotremove.faults.fault import catalogue
from hotremove.formats.junit import properties
from hotremove.formats.outputs import write_beside
from hotremove.formats.palette import MARKUP
from hotremove.formats.terminal import ENDLESS, Glance, Line, lines
from hotremove.lineage.changes import Lineage
from hotremove.memory.outcome import Outcome
from hotremove.memory.removal import UnexpectedOutcome
from hotremove.pins.holder import PinRefused
from hotremove.pins.pin import PinnedInMovable
from hotremove.plugin import parts
from hotremove.plugin.fixtures.cost import PIN_COST
from hotremove.plugin.lending import EVIDENCE, removals_of
from hotremove.plugin.observations import noted
from hotremove.plugin.parametrize import (
    fault_of,
    kernel_id,
    kernel_of,
    noticed_by,
    pins_of,
    scenario_id_of,
    unusual_memory_of,
    wants_guest,
)
from hotremove.plugin.pytest_private import columns_of
from hotremove.plugin.report_check import ALLOWANCE_USAGE, reported_besides
from hotremove.plugin.results import ALLOWANCES, ENVIRONMENT, PARTS, RESULT, RESULTS
from hotremove.plugin.run import farm_of
from hotremove.results.record import Record, Result, write_record
from hotremove.session.environment import describe
from hotremove.verdict.expectation import (
    Finding,
    against_lineage,
    against_log,
    expected_to_fail,
    with_fault,
)
from hotremove.verdict.judge import judge
from hotremove.verdict.splats import KernelSplat
from hotremove.verdict.verdict import BAD, Verdict
from hotremove.virt.accelerator import tell

if TYPE_CHECKING:
    from hotremove.kernels.kernel import Candidate
    from hotremove.session.farm import Farm

_NEWS: pytest.StashKey[News | None] = pytest.StashKey()
# Errors that carry their own explanation; the farm's frames would only hide it.
_SELF_EXPLAINING = (HotremoveError, UnexpectedOutcome, KernelSplat, PinRefused)


def header(farm: Farm) -> list[str]:
    """Which kernels run, under what and why."""
    kernels = ", ".join(f"{kernel.spec} = {kernel.version}" for kernel in farm.kernels)
    gone = (f"{spec}: {', '.join(told)}" for spec, told in farm.left_out.items())
    return [
        f"hotremove: kernels: {kernels}",
        *(f"hotremove: not whole in the archive any more, by what is gone: {one}" for one in gone),
        f"hotremove: guests {_place(farm)}",
        f"hotremove: --hotremove-seed {farm.options.seed} --hotremove-rounds {farm.options.rounds}",
    ]


def _place(farm: Farm) -> str:
    if not farm.has_place:
        return "wait for a slot: others hold all of them"
    _ = farm.accelerator
    return (
        f"under {tell(farm.accelerators, str.upper)}; libvirt at {farm.guest_source.hypervisor.uri}"
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
    found = _find(item, call, report, error)
    _restate(item, report, found)
    result = _result(item, found, error)
    setattr(report, RESULT, asdict(result))
    setattr(report, PARTS, [asdict(part) for part in parts.results_of(item, result)])
    if call.when == "setup":
        setattr(report, ENVIRONMENT, describe(farm_of(item.config)))
        item.config.stash[RESULTS].tell(report)
    _tell_properties(item, report, result)
    if call.when == "call" and ALLOWANCE_USAGE in item.stash:
        setattr(report, ALLOWANCES, asdict(item.stash[ALLOWANCE_USAGE]))


def _tell_properties(item: pytest.Item, report: pytest.TestReport, result: Result) -> None:
    """Give the test its properties; junitxml takes them from the teardown's report."""
    told = dict(properties(result))
    others = [one for one in item.user_properties if one[0] not in told]
    item.user_properties[:] = [*others, *told.items()]
    report.user_properties[:] = item.user_properties


def _find(
    item: pytest.Item,
    call: pytest.CallInfo[None],
    report: pytest.TestReport,
    error: BaseException | None,
) -> Finding:
    """What a phase says, by itself, by the kernel's log, and against what was expected."""
    if error is None:
        # A strict xfail that passes fails without an exception.
        alone = Finding(Verdict.FAIL, str(report.longrepr)) if report.failed else _well(item)
        return _against_expectations(item, alone) if call.when == "call" else alone
    alone = Finding(judge(error), _message(error), shows_missing_fix(error))
    if call.when == "teardown":
        mistake = alone.verdict is Verdict.FAIL
        return Finding(Verdict.ERROR, alone.message) if mistake else alone
    besides = reported_besides(item, error)
    found = against_log(alone, besides.reports, besides.unread)
    if hasattr(report, "wasxfail") and report.skipped:
        found = expected_to_fail(found, report.wasxfail)
    return _against_expectations(item, found) if call.when == "call" else found


def _well(item: pytest.Item) -> Finding:
    return Finding(Verdict.PASS, noted(item))


def _against_expectations(item: pytest.Item, found: Finding) -> Finding:
    demanded = farm_of(item.config).options.expect == "lineage"
    fault = fault_of(item)
    if not fault:
        return _against_lineage(item, found, demanded=demanded)
    must = fault in noticed_by(item)
    seen = with_fault(found, scenario_id_of(item), catalogue()[fault], must=must)
    if found.verdict is not Verdict.FAIL or seen.verdict is not Verdict.FAIL:
        return seen
    # What the kernel is known to fail by, with or without the fault, hides it.
    known = _against_lineage(item, found, demanded=False)
    return known if known.verdict is Verdict.KNOWN_BUG else seen


def _against_lineage(item: pytest.Item, found: Finding, *, demanded: bool) -> Finding:
    options = farm_of(item.config).options
    if options.expect != "lineage" and not item.get_closest_marker("wide"):
        return found
    lineage = Lineage(_kernel(item).point_release, options.has, options.lacks)
    return against_lineage(found, scenario_id_of(item), lineage, demanded=demanded)


def shows_missing_fix(error: BaseException | None) -> bool:
    """Whether a scenario failed by what the fix is there for, and not by something else."""
    if isinstance(error, UnexpectedOutcome):
        return error.removal.shows_missing_fix
    return isinstance(error, PinnedInMovable)


def _restate(item: pytest.Item, report: pytest.TestReport, found: Finding) -> None:
    """Make pytest's own report say what the verdict says."""
    if found.verdict is Verdict.PASS:
        if not report.passed:
            report.outcome, report.longrepr = "passed", None
    elif found.verdict in BAD:
        if hasattr(report, "wasxfail"):
            del report.wasxfail
        if not report.failed:
            report.outcome, report.longrepr = "failed", found.message
    else:
        _restate_as_skipped(item, report, found)


def _restate_as_skipped(item: pytest.Item, report: pytest.TestReport, found: Finding) -> None:
    """One word of pytest's is for all that is neither good nor bad; the reason begins with ours."""
    if found.verdict is Verdict.KNOWN_BUG:
        report.wasxfail = found.message.partition("\n")[0]
    if not report.skipped:
        told = f"Skipped: {found.verdict}: {found.message}"
        report.longrepr = (str(item.path), item.location[1] or 0, told)
    report.outcome = "skipped"


def _scenario_only(excinfo: pytest.ExceptionInfo[BaseException]) -> Any:
    """The traceback's last entry that is neither the farm's nor pytest's, or its very last."""
    strangers = ("/hotremove/", "/_pytest/", "/pluggy/")
    own = [e for e in excinfo.traceback if not any(name in str(e.path) for name in strangers)]
    inside = [e for e in excinfo.traceback if "/hotremove/scenarios/" in str(e.path)]
    kept = inside or own or list(excinfo.traceback)
    return type(excinfo.traceback)(kept[-1:])


def _result(item: pytest.Item, found: Finding, error: BaseException | None) -> Result:
    kernel = _kernel(item)
    return Result(
        kernel=kernel.spec,
        kernel_version=kernel.version,
        kernel_label=kernel_id(kernel, farm_of(item.config).kernels),
        scenario=str(scenario_id_of(item)),
        test=item.nodeid,
        pin=pins_of(item),
        outcome=_outcome(item, error),
        verdict=str(found.verdict),
        duration_s=0.0,
        evidence=_evidence(item),
        message=found.message,
        memory=unusual_memory_of(item),
        fault=fault_of(item),
        costs=item.stash[PIN_COST].fresh if PIN_COST in item.stash else (),
    )


def _kernel(item: pytest.Item) -> Candidate:
    """That of a test which runs on one."""
    kernel = kernel_of(item)
    assert kernel
    return kernel


def _outcome(item: pytest.Item, error: BaseException | None) -> str:
    if tried := removals_of(item):
        return str(tried[-1].outcome)
    return str(Outcome.GUEST_DIED) if isinstance(error, GuestDied) else ""


def _evidence(item: pytest.Item) -> str:
    evidence = item.stash.get(EVIDENCE, None)
    return evidence.directory.name if evidence and evidence.directory else ""


def _message(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    told = text if isinstance(error, _SELF_EXPLAINING) else text.splitlines()[0]
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    return told + notes


def select(config: pytest.Config, items: Iterable[pytest.Item]) -> None:
    """Note which tests are to run, so that those that do not are missed."""
    chosen = filter(wants_guest, items)
    not_yet = Finding(Verdict.NOT_RUN, "")
    config.stash[RESULTS].select(_result(item, not_yet, None) for item in chosen)


def leave_out(config: pytest.Config, items: Iterable[pytest.Item]) -> None:
    """Note which scenarios were collected and not selected; runs with a fault do not count."""
    scenarios = (one for one in items if wants_guest(one) and one.get_closest_marker("hotremove"))
    plain = (one for one in scenarios if not fault_of(one))
    config.stash[RESULTS].leave_out(_kernel(one).spec for one in plain)


def write(config: pytest.Config) -> None:
    """Write the record and the reports made of it, on the process that has all results."""
    if not config.stash[RESULTS].all() or hasattr(config, "workerinput"):
        return
    record = _record(config)
    _tell_junitxml(config, record)
    directory = farm_of(config).options.artifacts
    if directory:
        directory.mkdir(parents=True, exist_ok=True)
        write_beside(write_record(directory, record), _news(config))


def _record(config: pytest.Config) -> Record:
    farm, results = farm_of(config), config.stash[RESULTS]
    command = shlex.join(("pytest", *map(str, config.invocation_params.args)))
    environment = {**describe(farm), "command": command, **results.environment}
    if results.moved:
        environment["moved"] = "; ".join(moves(results.moved))
    if farm.options.without:
        environment["without"] = ", ".join(farm.options.without)
    return Record(tuple(results.all()), results.started, environment, dict(results.left_out))


def _tell_junitxml(config: pytest.Config, record: Record) -> None:
    """Put the coverage into the file of `--junitxml`; the plugin that writes it has no name."""
    for plugin in config.pluginmanager.get_plugins():
        if hasattr(plugin, "add_global_property"):
            for one in coverage.coverage_of(record):
                plugin.add_global_property(f"coverage of {one.name}", str(one))


def moves(moved: Mapping[str, str]) -> list[str]:
    """What became of tests whose host died, a line for each: by test, the host."""
    return [f"{test}: it lost {lost}, and ran elsewhere" for test, lost in moved.items()]


def summarize(reporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The run at a glance, and what is to be known beside it."""
    results = config.stash[RESULTS].all()
    if not results:
        return
    reporter.section("hot-remove: kernels by scenarios")
    glance = Glance(
        record=_record(config),
        columns=columns_of(reporter) or ENDLESS,
        news=_news(config),
        folds=config.option.verbose < 1,
    )
    for line in lines(glance):
        _write(reporter, line)
    for remark in _remarks(config):
        reporter.line(remark)


def _write(reporter: pytest.TerminalReporter, line: Line) -> None:
    for text, look in line:
        reporter.write(text, **MARKUP[look])
    reporter.line("")


def _news(config: pytest.Config) -> News | None:
    """What is new since the last filed run; a history that cannot be read is told, once."""
    if _NEWS not in config.stash:
        try:
            config.stash[_NEWS] = since_last_filed(_record(config))
        except DataProblem as error:
            config.stash[_NEWS] = None
            progress.say(f"nothing is said of the last run: {error}")
    return config.stash[_NEWS]


def _remarks(config: pytest.Config) -> list[str]:
    """What is to be known beside the results: what was waived or moved, allowances, evidence."""
    moved = (f"moved {move}" for move in moves(config.stash[RESULTS].moved))
    without = [f"--hotremove-without {one}" for one in farm_of(config).options.without]
    waived = [f"not looked at, as asked: {', '.join(without)}"] if without else []
    allowances = (f"allowance {remark}" for remark in config.stash[RESULTS].book.remarks())
    directory = farm_of(config).options.artifacts
    evidence = [f"evidence: {directory}"] if directory else []
    return [*_missing_faults(config), *waived, *moved, *allowances, *evidence]


def _missing_faults(config: pytest.Config) -> Iterator[str]:
    """Faults that nothing puts in force on a kernel, which is no failure."""
    for matrix in matrices([_record(config)]):
        if matrix.without_carrier:
            yield f"no carrier has, on {matrix.kernel}: {', '.join(matrix.without_carrier)}"
