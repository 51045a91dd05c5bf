# SPDX-License-Identifier: Apache-2.0
"""What was done to a guest, and when: the moments of one test."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Moment:
    """Something that took a while.

    Attributes:
        name: what it was, `plug 512 MiB`, `pin through rdma`.
        start: seconds after the guest was begun, on the host's clock.
        seconds: how long it took.
    """

    name: str
    start: float
    seconds: float


@dataclass(frozen=True)
class Activity:
    """Something that is being done at present.

    Attributes:
        name: what it is, as its moment will be called.
        since: when it began, on the timeline's clock; seconds.
        limit: how long it may take, in seconds; None when nobody has said.
    """

    name: str
    since: float
    limit: float | None = None


class Timeline:
    """The moments of one guest, in the order in which they ended. Its time begins when made."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Let time begin; `clock` gives seconds since some moment in the past."""
        self._clock = clock
        self._zero = clock()
        self._moments: list[Moment] = []
        self._under_way: tuple[Activity, ...] = (Activity("boot", self._zero),)

    @property
    def activity(self) -> Activity | None:
        """What is under way, the innermost of it; None while only the test itself is at work."""
        return next(reversed(self._under_way), None)

    @property
    def moments(self) -> tuple[Moment, ...]:
        """Those that have ended."""
        return tuple(self._moments)

    def until_now(self, name: str) -> None:
        """Everything since the beginning was `name`: a boot, for instance."""
        self._moments.append(Moment(name, 0.0, self._clock() - self._zero))
        self._under_way = ()

    @contextmanager
    def span(self, name: str, limit: float | None = None) -> Iterator[None]:
        """What the block does is `name`, whether it ends well or not, in `limit` seconds."""
        start = self._clock()
        activity = Activity(name, start, limit)
        self._under_way = (*self._under_way, activity)
        try:
            yield
        finally:
            self._under_way = tuple(one for one in self._under_way if one is not activity)
            self._moments.append(Moment(name, start - self._zero, self._clock() - start))
