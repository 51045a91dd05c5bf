# SPDX-License-Identifier: Apache-2.0
"""The guest that the next test is going to ask for, made while this one's test runs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from typing import Any

from hotremove.guest.plan import GuestPlan
from hotremove.virt.domain import Channels


@dataclass(frozen=True)
class Loaded:
    """A domain that has the state of a saved guest, and whose CPUs are stopped."""

    plan: GuestPlan
    name: str
    channels: Channels
    domain: Any


class Spare:
    """At most one such domain. It does not run until it is taken, and so disturbs no test."""

    def __init__(self, load: Callable[[GuestPlan], Loaded], end: Callable[[Loaded], None]) -> None:
        """`load(plan)` makes one, in a thread of its own; `end` is for one that nobody takes."""
        self._load = load
        self._end = end
        self._coming: Future[Loaded] | None = None

    def prepare(self, plan: GuestPlan) -> None:
        """Begin to make one, unless there is one. Nobody waits for it."""
        if self._coming:
            return
        self._coming = Future()
        making = Thread(target=self._make, args=(plan, self._coming), name="spare", daemon=True)
        making.start()

    def _make(self, plan: GuestPlan, coming: Future[Loaded]) -> None:
        try:
            coming.set_result(self._load(plan))
        except BaseException as error:
            coming.set_exception(error)

    def take(self, plan: GuestPlan) -> Loaded | None:
        """The one that was made, if it is of this plan; one of another is ended.

        None too where it could not be made: who makes one without haste has the reason.
        """
        loaded = self._await()
        if loaded and loaded.plan != plan:
            self._end(loaded)
            return None
        return loaded

    def close(self) -> None:
        """End the one that nobody took."""
        if loaded := self._await():
            self._end(loaded)

    def _await(self) -> Loaded | None:
        """The one that was begun, once it is made; who is interrupted meanwhile may ask again."""
        if not self._coming:
            return None
        failed, made = self._coming.exception(), self._coming
        self._coming = None
        return None if failed else made.result()
