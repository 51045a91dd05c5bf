# SPDX-License-Identifier: Apache-2.0
"""What a user waits for: a bar or a spinner on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

_console = Console(stderr=True)


class Transfer:
    """A running download; `advance_to` takes the bytes done so far."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance_to(self, done: int, total: int | None = None) -> None:
        """Show `done` of `total` bytes."""
        self._progress.update(self._task, completed=done, total=total)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say `what` is being waited for; a spinner on a terminal, one line elsewhere."""
    if not _console.is_terminal:
        _console.print(f"hotremove: {what} …", highlight=False)
        yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=_console, transient=True) as progress:
        progress.add_task(what, total=None)
        yield


@contextmanager
def transfer(what: str, total: int | None) -> Iterator[Transfer]:
    """Show a download of `total` bytes (None when unknown)."""
    if not _console.is_terminal:
        _console.print(f"hotremove: {what} …", highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    quiet = not _console.is_terminal
    with Progress(*columns, console=_console, transient=True, disable=quiet) as progress:
        yield Transfer(progress, progress.add_task(what, total=total))
