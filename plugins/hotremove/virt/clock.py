# SPDX-License-Identifier: Apache-2.0
"""The clock that deadlines are measured by: it stands still while a person looks into a guest."""

from __future__ import annotations

import time


class Clock:
    """Seconds, as time.monotonic() has them, without the times during which it was stopped."""

    def __init__(self) -> None:
        self._stopped_at: float | None = None
        self._missed = 0.0

    def now(self) -> float:
        """Seconds since some moment in the past."""
        at = time.monotonic() if self._stopped_at is None else self._stopped_at
        return at - self._missed

    @property
    def stopped(self) -> bool:
        """Whether nothing times out at present."""
        return self._stopped_at is not None

    def stop(self) -> None:
        """Let nothing time out from now on."""
        if self._stopped_at is None:
            self._stopped_at = time.monotonic()

    def go_on(self) -> None:
        """Let deadlines run again, from where they stood."""
        if self._stopped_at is not None:
            self._missed += time.monotonic() - self._stopped_at
            self._stopped_at = None


CLOCK = Clock()
"""The process's one clock: a debugger stops it for every guest."""
