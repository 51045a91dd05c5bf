# SPDX-License-Identifier: Apache-2.0
"""What was done for a test and to its guests, and when: its moments."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

ORIGINS = ("booted", "restored")
"""What the moments are called by which a test got its guest."""
# Small things that follow each other this closely are one moment (seconds).
_GAP = 0.02


@dataclass(frozen=True)
class Moment:
    """Something that took a while.

    Attributes:
        name: what it was, `plug 512 MiB`, `pin through rdma`.
        start: seconds after the timeline was begun, on the host's clock.
        seconds: how long it took.
    """

    name: str
    start: float
    seconds: float

    @property
    def end(self) -> float:
        """When it was over, in seconds like `start`."""
        return self.start + self.seconds


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
        self.begin()

    def begin(self) -> None:
        """Let time begin, anew."""
        self._zero = self._clock()
        self._moments: list[Moment] = []
        self._under_way: tuple[Activity, ...] = (Activity("boot", self._zero),)
        self._others: list[Timeline] = []
        self._latest: tuple[Activity, ...] | None = None
        self._is_passing = False

    def take_in(self, other: Timeline) -> None:
        """From now on, the moments of `other` are moments of this one too."""
        self._others.append(other)

    @property
    def activity(self) -> Activity | None:
        """What is under way, the innermost of it; None while only the test itself is at work."""
        return next(reversed(self._under_way), None)

    @property
    def moments(self) -> tuple[Moment, ...]:
        """Those that have ended."""
        moments = list(self._moments)
        for other in self._others:
            later = other._zero - self._zero
            moments += (replace(one, start=one.start + later) for one in other.moments)
        return tuple(moments)

    def until_now(self, name: str) -> None:
        """Everything since the beginning was `name`: a boot, for instance."""
        self._note(name, self._zero)
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
            self._note(name, start)

    @contextmanager
    def passing(self, name: str) -> Iterator[None]:
        """What the block does is one of many small things, and no activity to tell of.

        Those of one name that follow each other are one moment; one within another is none.
        """
        if self._is_passing:
            yield
            return
        start = self._clock()
        self._is_passing = True
        try:
            yield
        finally:
            self._is_passing = False
            self._note(name, self._begun_before(name, start))
            self._latest = self._under_way

    def _begun_before(self, name: str, start: float) -> float:
        """Where the moment that ends now began: with the last one, which is taken back, or now."""
        if self._latest is not self._under_way or self._moments[-1].name != name:
            return start
        if start - self._zero - self._moments[-1].end > _GAP:
            return start
        return self._zero + self._moments.pop().start

    def _note(self, name: str, start: float) -> None:
        self._moments.append(Moment(name, start - self._zero, self._clock() - start))
        self._latest = None


TIMELINE = Timeline()
"""The process's one, of the running test: its phases, what is done for it, its guests' moments."""
