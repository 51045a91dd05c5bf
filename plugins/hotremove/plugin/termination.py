# SPDX-License-Identifier: Apache-2.0
"""A run that is told to end keeps its results: SIGTERM and SIGHUP interrupt it, as Ctrl-C does.

Python would end at once, and what was found in hours with it. Before the first result there is
nothing to lose, and the run's watchdog ends its guests.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

import pytest

from hotremove.plugin.results import is_result

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Termination:
    """From the first result on, what those signals do; a plugin."""

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the signals over once there is a result."""
        main = threading.current_thread() is threading.main_thread()
        if main and not self._before and is_result(report):
            for number in _SIGNALS:
                self._take(number)

    def pytest_unconfigure(self) -> None:
        """Give them back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _take(self, number: signal.Signals) -> None:
        # Who runs pytest may want them ignored (nohup), or handle them.
        if signal.getsignal(number) is signal.SIG_DFL:
            self._before[number] = signal.signal(number, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)  # the second one is not to be argued with
    raise KeyboardInterrupt(signal.Signals(number).name)
