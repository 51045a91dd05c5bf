# SPDX-License-Identifier: Apache-2.0
"""Waiting for what others hold: said at once, and given up after hours.

A holder that works on may take its time, and the kernel takes a lock from one that dies; but one
that is stopped, or that hangs, must not hold up a night.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from hotremove.errors import HostProblem
from hotremove.progress import waiting

# Seconds: longer than a kernel is compiled, or a test of a night lasts, on a slow machine.
LIMIT = 4 * 3600.0


class Stopwatch:
    """Seconds that this process has spent on what is bounded otherwise.

    They are no part of the time of the test for whose sake it waits or builds.
    """

    def __init__(self) -> None:
        self._spent = 0.0
        self._since: float | None = None

    @property
    def spent(self) -> float:
        """All of them, up to now."""
        running = 0.0 if self._since is None else time.monotonic() - self._since
        return self._spent + running

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the time of the block; one within another counts once."""
        if self._since is not None:
            yield
            return
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._spent, self._since = self.spent, None


ELSEWHERE = Stopwatch()
"""The process's one stopwatch."""


def is_taken(lock: FileLock) -> bool:
    """Whether a lock was free; it is held then."""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    return True


def wait_for_others(
    is_there: Callable[[], bool], what: str, remedy: str, pause: float = 0.1
) -> None:
    """Wait for what others hold, looking every `pause` seconds, for hours at most.

    `what` is said meanwhile; `remedy` is what to do about a holder that never ends.

    Raises:
        HostProblem: it did not come.
    """
    if is_there():
        return
    end = time.monotonic() + LIMIT
    with waiting(what), ELSEWHERE.running():
        while not is_there():
            if time.monotonic() >= end:
                raise HostProblem(f"{what}: given up after {LIMIT:g} s; {remedy}")
            time.sleep(pause)
