# SPDX-License-Identifier: Apache-2.0
"""A limit for each test as a whole, kept by pytest-timeout: the last bound, should others fail.

pytest-timeout says which limit a test has (its marker `timeout`, --timeout, ini) and when its time
begins and ends. What counts as its time is decided here, and what it means that it is over. Time
that a debugger stops, that other runs' locks take, or that is spent on making what the cache lacks
does not count: each of these is bounded by itself.

PYTEST_DONT_REWRITE: it has no assertions, and is imported before pytest could rewrite them.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING, Any

import pytest

from hotremove.errors import UsageProblem
from hotremove.plugin.lending import GUEST, removals_of
from hotremove.plugin.options import setting
from hotremove.plugin.parametrize import wants_guest
from hotremove.plugin.rounds import MOST
from hotremove.plugin.run import farm_of
from hotremove.virt.clock import CLOCK

if TYPE_CHECKING:
    from hotremove.verdict.overdue import KernelOverdue, TestOverdue

# A test tries as many removals at most, and each takes as long again to set up (seconds).
_REMOVALS, _SET_UP = 20, 30.0
# What takes long by itself: its deadlines come to hours (seconds).
_LONG = 12 * 3600.0
# Seconds for teardown: a guest that hangs takes a minute or two.
_TEARDOWN = 600.0
# Something may swallow the error; seconds until it comes again.
_AGAIN = 30.0
# Seconds between looks at a clock that stands still.
_LOOK = 1.0
_TIMER: pytest.StashKey[Timer] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    """End the run if the limit makes no sense."""
    try:
        _given(config)
    except UsageProblem as problem:
        raise pytest.UsageError(str(problem)) from problem


@pytest.hookimpl(trylast=True)  # when markers were checked
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give tests that boot guests a limit, unless somebody has."""
    given = _given(config)
    if not config.pluginmanager.hasplugin("timeout") or _has_limit(config):
        return
    for item in filter(wants_guest, items):
        if not item.get_closest_marker("timeout"):
            limit = default_limit(item) if given is None else given
            item.add_marker(pytest.mark.timeout(limit, func_only=False))


def default_limit(item: pytest.Item) -> float:
    """Seconds that none of a test's own deadlines comes near."""
    names = getattr(item, "fixturenames", ())
    if item.get_closest_marker("nightly") or "pin_cost" in names:
        return _LONG
    options = farm_of(item.config).options
    tries = _REMOVALS + (MOST * options.rounds if "rounds" in names else 0)
    return 2 * options.boot_deadline + tries * (options.deadline + _SET_UP)


@pytest.hookimpl(optionalhook=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool | None:
    """Begin a test's time; that of others, and of other methods, is pytest-timeout's own."""
    is_main = threading.current_thread() is threading.main_thread()
    if settings.method != "signal" or not is_main or not wants_guest(item):
        return None
    item.stash[_TIMER] = Timer(item)
    item.stash[_TIMER].start(settings.timeout)
    return True


@pytest.hookimpl(optionalhook=True)
def pytest_timeout_cancel_timer(item: pytest.Item) -> bool | None:
    """End it."""
    timer = item.stash.get(_TIMER, None)
    if timer is None:
        return None
    timer.stop()
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Give teardown a time of its own: what is overdue has to be cleared up as well."""
    if _TIMER in item.stash:
        item.stash[_TIMER].start(_TEARDOWN)


class Timer:
    """The time of one test, by SIGALRM in the main thread."""

    def __init__(self, item: pytest.Item) -> None:
        """It does not run yet."""
        self._item = item
        self._limit = self._end = 0.0

    def start(self, seconds: float) -> None:
        """From now on there are so many."""
        import hotremove.verdict.overdue  # noqa: F401 # a signal's handler is no place to do so

        self._limit, self._end = seconds, _now() + seconds
        signal.signal(signal.SIGALRM, self._ring)
        signal.setitimer(signal.ITIMER_REAL, seconds)

    def stop(self) -> None:
        """Time does not run out any more."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def _ring(self, _number: int, _frame: FrameType | None) -> None:
        __tracebackhide__ = True
        left = self._end - _now()
        if left > 0 or _is_debugged():
            signal.setitimer(signal.ITIMER_REAL, max(left, _LOOK))
            return
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)
        told = f"the test took more than the {self._limit:g} s it has as a whole"
        raise _overdue(self._item, told)


def _overdue(item: pytest.Item, told: str) -> KernelOverdue | TestOverdue:
    from hotremove.plugin.report_check import REPORT_EXPECTATIONS
    from hotremove.verdict.allowances import ReportExpectations
    from hotremove.verdict.overdue import overdue

    name = str(getattr(item, "originalname", item.name))
    expectations = item.stash.get(REPORT_EXPECTATIONS, ReportExpectations())
    return overdue(_guest_of(item), expectations, name, told, removals_of(item))


def _now() -> float:
    """The time that counts, in seconds since some moment in the past."""
    from hotremove.patience import ELSEWHERE

    return CLOCK.now() - ELSEWHERE.spent


def _is_debugged() -> bool:
    """Whether a debugger is at work that pytest's hooks do not tell of."""
    import pytest_timeout  # it is there: it has set the timer

    return bool(pytest_timeout.is_debugging())


def _guest_of(item: pytest.Item) -> Any:
    """The test's guest, or the one that is being started for it."""
    guest = item.stash.get(GUEST, None)
    return guest or next(reversed(farm_of(item.config).guests), None)


def _given(config: pytest.Config) -> float | None:
    """The limit that the command line or ini names, for tests with guests.

    Raises:
        UsageProblem: it is no number of seconds.
    """
    told = setting(config, "test_limit")
    if told in (None, ""):
        return None
    try:
        seconds = float(told)
    except ValueError as error:
        raise UsageProblem(f"hotremove_test_limit = {told}: not a number") from error
    if not 0 <= seconds < float("inf"):
        raise UsageProblem(f"a test limit of {seconds:g} s makes no sense")
    return seconds


def _has_limit(config: pytest.Config) -> bool:
    """Whether pytest-timeout was told of a limit for all tests."""
    told = (config.getoption("timeout", None), os.environ.get("PYTEST_TIMEOUT"))
    return any(one is not None for one in told) or bool(config.getini("timeout"))
