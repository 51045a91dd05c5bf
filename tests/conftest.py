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
from xdist.remote import Producer

import sharing

# Plugins that are here to be run beside ours in other people's projects, or for the tests
# themselves, not to shuffle or to time the runs that tests start. That of hypothesis takes as long
# to import as all the rest.
WITHOUT = "-p no:randomly -p no:benchmark -p no:hypothesispytest"
# No run of the tests' is new against what their user has filed.
os.environ["HOTREMOVE_HISTORY"] = "/nonexistent/history.sqlite"
ACCOUNT = "this account "


def pytest_configure(config: pytest.Config) -> None:
    """Register what decides on the order of tests."""
    config.addinivalue_line(
        "markers", "takes(seconds): it, or what its file makes once, takes long: it is begun first"
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    """Where tests run, make what they start as quick as can be."""
    config = session.config
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        return  # its workers have the environment from it, and want their plugins
    os.environ["PYTEST_ADDOPTS"] = WITHOUT
    if hasattr(config, "cache") and config.rootpath == sharing.ROOT:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(config.cache.mkdir("bytecode"))


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """The workers of `-n auto`."""
    return sharing.workers(config)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> sharing.ByTest | None:
    """Share tests out one by one, unless --dist says otherwise."""
    return sharing.ByTest(config, log) if config.option.dist == "load" else None


@pytest.hookimpl(trylast=True)  # when nothing is deselected any more
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest; end the run if a test is to be tried again when it fails."""
    again = [item.nodeid for item in items if item.get_closest_marker("flaky")]
    if again:
        raise pytest.UsageError(f"no test is tried again, and this would be: {again[0]}")
    items.sort(key=sharing.begun_first)


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
