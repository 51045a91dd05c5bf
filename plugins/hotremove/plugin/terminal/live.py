# SPDX-License-Identifier: Apache-2.0
"""While tests run on a terminal: a line for each guest, with what it waits for and how long.

A thread looks at the guests' timelines a few times a second; the tests themselves tell it nothing,
so they take no longer. A worker of pytest-xdist leaves what it sees in a file, for the process
that has the terminal.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import pytest

from hotremove.plugin.farm import FARM
from hotremove.plugin.parametrize import wants_guest
from hotremove.plugin.pytest_private import diverted, terminal_file
from hotremove.plugin.terminal.running_test import RunningTest, lines
from hotremove.plugin.terminal.statusline import StatusLine
from hotremove.virt import reaper

NAME = "hotremove-live"
_FOLDER = "hotremove_live"
# Seconds between looks.
_PERIOD = 0.25


class Observer:
    """What this process is doing; a plugin."""

    def __init__(self, config: pytest.Config, worker: str = "") -> None:
        self._config = config
        self._worker = worker
        self._test = ""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Know which test runs, if it is one on a kernel under test."""
        self._test = item.nodeid if wants_guest(item) else ""
        try:
            return (yield)
        finally:
            self._test = ""

    @property
    def running(self) -> RunningTest | None:
        """What runs at present."""
        farm = self._config.stash.get(FARM, None)
        if not farm or not self._test:
            return None
        guests = tuple(guest.timeline.activity for guest in farm.guests)
        return RunningTest(self._test, guests, self._worker)


class Display:
    """The lines of this process and its workers; a plugin."""

    def __init__(self, observer: Observer, terminal: TextIO) -> None:
        """Show on `terminal`, which is closed in the end."""
        self._observer = observer
        self._terminal = terminal
        self._folder: Path | None = None
        self._line: StatusLine | None = None
        self._debugging = ExitStack()

    def pytest_enter_pdb(self) -> None:
        """Leave the terminal to the debugger."""
        self._debugging.enter_context(self.paused())

    def pytest_leave_pdb(self) -> None:
        """Show what guests do again."""
        self._debugging.close()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Say to a worker of pytest-xdist where to leave what it does."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix=f"{reaper.PREFIX}live-"))
            reaper.sign(self._folder, os.getpid())
        node.workerinput[_FOLDER] = str(self._folder)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker has ended, and whatever it did with it."""
        if self._folder:
            _file_of(self._folder, node.gateway.id).unlink(missing_ok=True)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Show it while the tests run, where some of them have guests, or workers may."""
        if self._folder is None and not any(map(wants_guest, session.items)):
            return (yield)
        with self._shown_on(session.config), _again_and_again(self._show):
            return (yield)

    def pytest_unconfigure(self) -> None:
        """Leave nothing behind."""
        self._terminal.close()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Show nothing while another writes to the terminal."""
        if self._line is None:
            yield
        else:
            with self._line.paused():
                yield

    @contextmanager
    def _shown_on(self, config: pytest.Config) -> Iterator[None]:
        self._line = StatusLine(terminal_file(config), self._terminal)
        with diverted(config, self._line):
            try:
                yield
            finally:
                self._line.show(())
        self._line = None

    def _show(self) -> None:
        if self._line:
            width = self._line.size.columns - 1
            self._line.show(lines(self._running_tests(), time.monotonic(), width))

    def _running_tests(self) -> list[RunningTest]:
        if self._folder is None:
            own = self._observer.running
            return [own] if own else []
        return [one for path in sorted(self._folder.glob("*.json")) if (one := _read(path))]


class Teller:
    """Leaves what a worker does where the process with the terminal looks; a plugin."""

    def __init__(self, observer: Observer, folder: Path, worker: str) -> None:
        self._observer = observer
        self._file = _file_of(folder, worker)
        self._told = ""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Tell it while tests run."""
        with _again_and_again(self._tell):
            return (yield)

    def _tell(self) -> None:
        running = self._observer.running
        text = running.as_json() if running else ""
        if text == self._told:
            return
        aside = self._file.with_suffix(".new")
        with suppress(OSError):  # the folder may be gone already
            aside.write_text(text)
            aside.rename(self._file)
        self._told = text


def register(config: pytest.Config) -> None:
    """Show what guests do, where a person looks at a terminal."""
    workerinput = getattr(config, "workerinput", None)
    if workerinput is not None:
        if _FOLDER in workerinput:
            worker = str(workerinput["workerid"])
            observer = Observer(config, worker)
            config.pluginmanager.register(observer)
            config.pluginmanager.register(Teller(observer, Path(workerinput[_FOLDER]), worker))
    elif is_wanted(config):
        observer = Observer(config)
        config.pluginmanager.register(observer)
        # Of its own, since pytest turns standard output away from the terminal during each test.
        terminal = os.fdopen(os.dup(sys.stdout.fileno()), "w", errors="replace")
        config.pluginmanager.register(Display(observer, terminal), NAME)


def is_wanted(config: pytest.Config) -> bool:
    """Whether there is a terminal, and nobody else writes to it while tests run."""
    option = config.option
    talks = option.capture == "no" or option.usepdb or option.trace
    if talks or option.verbose < 0 or os.environ.get("CI"):
        return False
    if os.environ.get("TERM", "dumb") == "dumb" or not config.pluginmanager.hasplugin("terminal"):
        return False
    return sys.stdout.isatty()


@contextmanager
def _again_and_again(action: Callable[[], None]) -> Iterator[None]:
    """Do it every so often, until the block ends."""
    ended = threading.Event()

    def go() -> None:
        while not ended.wait(_PERIOD):
            with suppress(OSError, ValueError):  # the terminal may be gone
                action()

    thread = threading.Thread(target=go, name=NAME, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _file_of(folder: Path, worker: str) -> Path:
    return folder / f"{worker}.json"


def _read(path: Path) -> RunningTest | None:
    try:
        return RunningTest.from_json(path.read_text())
    except (OSError, ValueError):
        return None
