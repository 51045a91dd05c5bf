# SPDX-License-Identifier: Apache-2.0
"""When a host dies, its test runs once more elsewhere, and is reported as moved.

What a test says whose host died under it is no verdict, whatever it is.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from hotremove.plugin.debugging import FAILED
from hotremove.plugin.farm import FARM
from hotremove.plugin.fixtures.cost import PIN_COST
from hotremove.plugin.lending import forget_guest
from hotremove.plugin.observations import NOTES
from hotremove.plugin.pytest_private import forget_fixtures, run_phases
from hotremove.plugin.rounds import ROUNDS

if TYPE_CHECKING:
    from hotremove.remote.slots import HostLoss

MOVED = "moved"
_LOSS = "hotremove_moved"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a test, on another host if the first one dies; elsewhere leave it to pytest."""
    if not _has_hosts(item.config):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    _log(item, _reports(item, nextitem))
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _has_hosts(config: pytest.Config) -> bool:
    """Whether guests run on other machines; without a farm there are none."""
    farm = config.stash.get(FARM, None)
    return bool(farm and farm.options.hosts)


def _reports(item: pytest.Item, nextitem: pytest.Item | None) -> list[pytest.TestReport]:
    """What is said of a test where it could stay.

    A host's death moves it once; a slot that another farm came by costs it no more than time.
    """
    farm, deaths = item.config.stash[FARM], 0
    while True:
        reports = run_phases(item, nextitem)
        failed = [report for report in reports if report.failed]
        loss = farm.leave_lost_host() if failed else None
        if not loss or (loss.host_died and deaths):
            return reports
        deaths += loss.host_died
        _log(item, [_moved(failed[0], loss)])
        _forget(item)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell at once of a setup that went well: should the worker be killed, it names the kernel."""
    report = yield
    if _has_hosts(item.config) and _is_told(report):
        item.ihook.pytest_runtest_logreport(report=report)
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """How a moved test shows: counted by itself, as nothing that went wrong."""
    return (MOVED, "M", "MOVED") if moved_from(report) else None


def moved_from(report: pytest.TestReport) -> str:
    """What a report says a test has lost and was moved from, or empty."""
    return str(getattr(report, _LOSS, ""))


def _moved(report: pytest.TestReport, loss: HostLoss) -> pytest.TestReport:
    report.outcome = MOVED  # type: ignore[assignment]
    setattr(report, _LOSS, str(loss))
    return report


def _forget(item: pytest.Item) -> None:
    """Make the item as it was before it ran."""
    from hotremove.plugin.report_check import ALLOWANCE_USAGE

    forget_guest(item)
    keys: tuple[pytest.StashKey[Any], ...] = (FAILED, ALLOWANCE_USAGE, PIN_COST, NOTES, ROUNDS)
    for key in keys:
        if key in item.stash:
            del item.stash[key]
    forget_fixtures(item)


def _log(item: pytest.Item, reports: Sequence[pytest.TestReport]) -> None:
    for report in reports:
        if not _is_told(report):
            item.ihook.pytest_runtest_logreport(report=report)


def _is_told(report: pytest.TestReport) -> bool:
    """Whether the report is told of before it is known whether the test has to move."""
    return report.when == "setup" and report.passed
