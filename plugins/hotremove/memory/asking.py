# SPDX-License-Identifier: Apache-2.0
"""Asking a driver for memory again that gives up long before it has given all."""

from __future__ import annotations

from collections.abc import Callable

from hotremove.virt.clock import CLOCK

# Seconds without a change of the size after which it is looked whether the driver still tries.
GAVE_UP = 0.5


class Asking:
    """Watches a size go down, and asks again when it does not and nobody is at work on it.

    Attributes:
        times: how often was asked, the first time included.
    """

    def __init__(
        self,
        size: Callable[[], int],
        is_at_work: Callable[[], bool],
        ask_again: Callable[[], None],
        now: Callable[[], float] = CLOCK.now,
    ) -> None:
        """Begin to watch: it was just asked for the first time."""
        self._look = size
        self._is_at_work = is_at_work
        self._ask_again = ask_again
        self._now = now
        self._size = size()
        self._since = now()
        self.times = 1

    def has_left(self) -> bool:
        """Whether nothing is left; to be called again and again."""
        size, now = self._look(), self._now()
        if size != self._size:
            self._size, self._since = size, now
        if size and now - self._since >= GAVE_UP and not self._is_at_work():
            self._ask_again()
            self.times += 1
            self._since = self._now()
        return not size

    def has_ended(self) -> bool:
        """Whether nothing is left or the driver has given up; to be called again and again."""
        return self.has_left() or self.times > 1
