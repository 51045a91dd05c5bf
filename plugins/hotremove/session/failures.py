# SPDX-License-Identifier: Apache-2.0
"""What could not be made in this run: nobody tries it again before the next one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from hotremove import shapes
from hotremove.cache import digest
from hotremove.errors import Blocked, CapabilityAbsent, HostProblem, HotremoveError, UsageProblem
from hotremove.patience import is_taken, wait_for_others

T = TypeVar("T")

# What is kept, by the first of these that an error is; a dead guest is no failure to make one.
_KINDS = (CapabilityAbsent, Blocked, UsageProblem, HostProblem)


class Failures:
    """The failures of one run; its workers on one machine share a folder."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` is the run's own and need not be there; a single process needs none."""
        self._folder = folder
        self._known: dict[str, tuple[str, str]] = {}

    def once(self, what: str, make: Callable[[], T]) -> T:
        """What `make` gives; if that failed before in this run, the same failure at once.

        Raises:
            HostProblem: another worker has not come to an end with it.
            HotremoveError: what `make` raises, or raised.
        """
        with self._alone(what):
            if known := self._recall(what):
                raise _error(*known)
            try:
                return make()
            except _KINDS as error:
                self._keep(what, error)
                raise

    @contextmanager
    def _alone(self, what: str) -> Iterator[None]:
        """Let one worker at a time make it."""
        if not self._folder:
            yield
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._file(self._folder, what).with_suffix(".lock"))
        _acquire(lock, what)
        try:
            yield
        finally:
            lock.release()

    def _recall(self, what: str) -> tuple[str, str] | None:
        """Kind and reason of the failure, this process's or another worker's."""
        if self._folder and (file := self._file(self._folder, what)).is_file():
            return shapes.read_json(file, tuple[str, str])
        return self._known.get(what)

    def _keep(self, what: str, error: HotremoveError) -> None:
        kind = next(kind for kind in _KINDS if isinstance(error, kind))
        self._known[what] = kind.__name__, str(error)
        if self._folder:
            self._file(self._folder, what).write_text(json.dumps(self._known[what]))

    @staticmethod
    def _file(folder: Path, what: str) -> Path:
        return folder / f"{digest(what)}.json"


def _error(name: str, reason: str) -> HotremoveError:
    return next(kind for kind in _KINDS if kind.__name__ == name)(reason)


def _acquire(lock: FileLock, what: str) -> None:
    wait_for_others(
        lambda: is_taken(lock), f"waiting for another worker, which makes {what}", "end the run"
    )
