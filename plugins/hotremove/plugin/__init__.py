# SPDX-License-Identifier: Apache-2.0
"""pytest's hooks; each only calls what does the work.

pytest imports this package in every run of its environment. What the farm is made of is imported
by the first test that has a guest: until then nothing but pytest and the standard library is.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial

import pytest

from hotremove import progress
from hotremove.errors import HotremoveError
from hotremove.observe.timeline import TIMELINE
from hotremove.plugin import (
    debugging,
    fixtures,
    host_loss,
    lookahead,
    options,
    parametrize,
    rounds,
    timing,
    variants,
)
from hotremove.plugin.debugging import KEPT
from hotremove.plugin.farm import FARM
from hotremove.plugin.parametrize import PROBLEM
from hotremove.plugin.results import RESULTS, Results
from hotremove.plugin.run import farm_of, is_about_guests, worker_id
from hotremove.plugin.terminal import live
from hotremove.plugin.terminal.screen import uncaptured
from hotremove.plugin.termination import Termination

# There before the command line is acted on.
pytest_plugins = ["hotremove.plugin.workers", "hotremove.plugin.timelimit"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the options."""
    options.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers and fixtures; where the run is about guests, look at its settings."""
    progress.show_through(partial(uncaptured, config), worker_id(config))
    for marker in options.MARKERS:
        config.addinivalue_line("markers", marker)
    for module in fixtures.MODULES:
        config.pluginmanager.register(module)
    config.pluginmanager.register(debugging, "hotremove-debugging")
    config.pluginmanager.register(host_loss, "hotremove-host-loss")
    config.pluginmanager.register(timing, "hotremove-timing")
    config.stash[KEPT] = []
    about_guests = is_about_guests(config)
    config.stash[RESULTS] = Results(about_guests)
    config.pluginmanager.register(config.stash[RESULTS], "hotremove-results")
    config.pluginmanager.register(Termination(), "hotremove-termination")
    live.register(config)
    if about_guests:
        try:
            farm_of(config)
        except HotremoveError as error:
            raise pytest.UsageError(str(error)) from error


def pytest_unconfigure(config: pytest.Config) -> None:
    """End every guest."""
    if FARM in config.stash:
        config.stash[FARM].close()
    progress.show_through()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a scenario on each kernel, by each of its pin paths."""
    parametrize.parametrize(metafunc)


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """End the run with one line if a kernel is not to be had or a marker makes no sense."""
    if PROBLEM in config.stash:
        raise pytest.UsageError(str(config.stash[PROBLEM]))
    if not any(map(parametrize.wants_guest, items)):
        return
    try:
        parametrize.check_markers(items, farm_of(config).options.allow_files)
        items[:] = filter(parametrize.has_memory_asked_for, items)
        items[:] = filter(parametrize.proves_something, items)
        items[:] = variants.choose_variants(items)
        parametrize.widen(items)
    except HotremoveError as error:
        config.stash[PROBLEM] = error
        raise pytest.UsageError(str(error)) from error


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Note scenarios that nobody will look at."""
    guests = list(filter(parametrize.wants_guest, items))
    if guests:
        from hotremove.plugin import reporting

        reporting.leave_out(guests[0].config, guests)


@pytest.hookimpl(tryfirst=True)  # the terminal's own asks for the header, which needs all of it
def pytest_collection_finish(session: pytest.Session) -> None:
    """Before the first test, find out everything that can be wrong with the host."""
    config = session.config
    if not _boots_guests(config, session.items):
        return
    from hotremove.plugin import foresight, reporting

    farm = farm_of(config)
    try:
        farm.prepare()
    except HotremoveError as error:
        raise pytest.UsageError(str(error)) from error
    reporting.select(config, session.items)
    if worker_id(config) in ("", "gw0"):
        for line in foresight.obstacles(farm, session.items):
            progress.say(line)
    if worker_id(config) == "gw0":  # the controller collects nothing, and shows no header
        reporting.say_header(farm)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Note which test comes next."""
    lookahead.note_next(item, nextitem)


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    """Say which kernels run, under what and why."""
    if not _boots_guests(config, items):
        return []
    from hotremove.plugin import reporting

    return reporting.header(farm_of(config))


def _boots_guests(config: pytest.Config, items: list[pytest.Item]) -> bool:
    """Whether the run will; it is asked even after a hook has ended the collection."""
    option = config.option
    looks_only = option.collectonly or option.showfixtures or option.show_fixtures_per_test
    if looks_only or PROBLEM in config.stash:
        return False
    return any(map(parametrize.wants_guest, items))


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Hold a scenario that went well against what its kernel reported."""
    if not parametrize.wants_guest(pyfuncitem):
        with rounds.annotate_round(pyfuncitem):
            return (yield)
    from hotremove.plugin import bookkeeping, report_check

    with rounds.annotate_round(pyfuncitem), report_check.expected_death(pyfuncitem):
        yield
        bookkeeping.close_books(pyfuncitem)
    with TIMELINE.span("look at the kernel's reports"):
        report_check.check_reports_of(pyfuncitem)
    return True


@pytest.hookimpl(tryfirst=True)  # before any fixture is made
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what somebody asked to do without."""
    parametrize.waive(item)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Have the next kernel fetched, and the next guest restored."""
    if parametrize.wants_guest(item):
        lookahead.fetch_next(item)
        lookahead.restore_next(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn what a scenario raised into a verdict, told without the farm's own traceback."""
    report = yield
    if parametrize.wants_guest(item):
        from hotremove.plugin import reporting

        reporting.annotate(item, call, report)
    return report


@pytest.hookimpl(tryfirst=True)  # before junitxml writes its file
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the record of the run; a full disk is told, and no run is green without it."""
    if not session.config.stash[RESULTS].all():
        return
    from hotremove.cache import host_errors
    from hotremove.plugin import reporting

    try:
        with host_errors("writing the record of the run"):
            reporting.write(session.config)
    except HotremoveError as error:
        progress.say(str(error))
        session.exitstatus = session.exitstatus or pytest.ExitCode.USAGE_ERROR


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """The table of kernels by scenarios."""
    if config.stash[RESULTS].all():
        from hotremove.plugin import reporting

        reporting.summarize(terminalreporter, config)
