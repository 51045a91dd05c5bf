# SPDX-License-Identifier: Apache-2.0
"""A test of the farm does not skip: what it needs belongs to the machine (./lab test brings it).

Nor is it tried again: what fails now and then is a fault, of the farm or of the test.

Only what the account may not do, or may do too well, is left to another account. The reason then
begins with ACCOUNT.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

# Plugins that are here to be run beside ours in other people's projects, not to shuffle or to time
# the runs that tests start.
os.environ["PYTEST_ADDOPTS"] = "-p no:randomly -p no:benchmark"
# Nor is any run of theirs new against what their user has filed.
os.environ["HOTREMOVE_HISTORY"] = "/nonexistent/history.sqlite"
ACCOUNT = "this account "


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """End the run if a test is to be tried again when it fails."""
    again = [item.nodeid for item in items if item.get_closest_marker("flaky")]
    if again:
        raise pytest.UsageError(f"no test is tried again, and this would be: {again[0]}")


@pytest.hookimpl(wrapper=True, tryfirst=True)  # outside of the farm's own, which makes skips too
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip for any other reason into a failure."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = _reason(report)
        if not reason.startswith(ACCOUNT):
            report.outcome, report.longrepr = "failed", f"no test may skip, and this does: {reason}"
    return report


def _reason(report: pytest.TestReport) -> str:
    """The last of path, line and `Skipped: why`."""
    told = report.longrepr[-1] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return told.removeprefix("Skipped: ")
