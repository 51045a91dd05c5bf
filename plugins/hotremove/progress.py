# SPDX-License-Identifier: Apache-2.0
"""What a user waits for: a bar or a spinner on a terminal, plain lines elsewhere.

rich is imported when there is something to show: pytest imports this for everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn, TaskID

_uncaptured: Callable[[], AbstractContextManager[None]] = nullcontext
_worker = ""


def show_through(
    uncaptured: Callable[[], AbstractContextManager[None]] = nullcontext, worker: str = ""
) -> None:
    """Wrap all that is shown in `uncaptured()`: pytest would keep it for failing tests' reports.

    One of several workers, named by `worker`, shows lines: bars would write over each other.
    """
    global _uncaptured, _worker
    _uncaptured, _worker = uncaptured, worker


@cache
def _console() -> Console:
    """Made when first used, uncaptured, so that it finds out what kind of terminal there is."""
    from rich.console import Console

    return Console(stderr=True)


class Transfer:
    """A running download; `advance_to` takes the bytes done so far."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance_to(self, done: int) -> None:
        """Show `done` bytes of all."""
        self._progress.update(self._task, completed=done)


class Counter:
    """Something that happens many times; `count` takes the name of the latest."""

    def __init__(self, progress: Progress, task: TaskID, what: str, unit: str) -> None:
        self._progress = progress
        self._task = task
        self._text = what, unit
        self._number = 0

    def count(self, latest: str) -> None:
        """Show one more."""
        self._number += 1
        what, unit = self._text
        text = _plain(f"{what}: {self._number} {unit}, {latest}")
        self._progress.update(self._task, description=text)


def say(text: str) -> None:
    """Tell the user something, as one line."""
    with _uncaptured():
        _print(text)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say `what` is being waited for; a spinner on a terminal, one line elsewhere."""
    with _uncaptured():
        if _shows_lines():
            _print(f"{what} …")
            yield
            return
        with _bars(*_turning()) as progress:
            progress.add_task(_plain(what), total=None)
            yield


@contextmanager
def counting(what: str, unit: str) -> Iterator[Counter]:
    """Show how many `unit` (a plural) `what` is through with; one line elsewhere."""
    with _uncaptured():
        quiet = _shows_lines()
        if quiet:
            _print(f"{what} …")
        with _bars(*_turning(), disable=quiet) as progress:
            yield Counter(progress, progress.add_task(_plain(what), total=None), what, unit)


@contextmanager
def transfer(what: str, total: int | None) -> Iterator[Transfer]:
    """Show a download of `total` bytes (None when unknown)."""
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeElapsedColumn

    text = TextColumn("{task.description}")
    columns = (text, BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with _uncaptured():
        quiet = _shows_lines()
        if quiet:
            _print(f"{what} …")
        with _bars(*columns, disable=quiet) as progress:
            yield Transfer(progress, progress.add_task(_plain(what), total=total))


def _bars(*columns: ProgressColumn, disable: bool = False) -> Progress:
    from rich.progress import Progress

    return Progress(*columns, console=_console(), transient=True, disable=disable)


def _plain(text: str) -> str:
    """What rich shows as it is."""
    from rich.markup import escape

    return escape(text)


def _turning() -> tuple[ProgressColumn, ...]:
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    return SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()


def _shows_lines() -> bool:
    """Whether there is no terminal, or others write to it at the same time."""
    return bool(_worker) or not _console().is_terminal


def _print(text: str) -> None:
    """One line however long, and no markup: paths and test ids hold brackets."""
    name = f"hotremove {_worker}" if _worker else "hotremove"
    _console().print(f"{name}: {text}", highlight=False, markup=False, soft_wrap=True)
