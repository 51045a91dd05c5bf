# SPDX-License-Identifier: Apache-2.0
"""This machine's memory, in shares of which each worker has one, and a large guest takes more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from filelock import FileLock, Timeout

from hotremove.cache import Cache
from hotremove.progress import waiting

# Seconds between two looks for a free share.
_PAUSE = 0.1


class Room:
    """Shares that the workers of this machine's runs take for their guests, a file lock each.

    What one process holds at a time counts once: it waits for none of its own shares.
    """

    def __init__(self, cache: Cache, shares: int, share_mib: int) -> None:
        """There are `shares` of `share_mib` MiB each."""
        self._cache = cache
        self._share_mib = share_mib
        self._locks = [
            FileLock(cache.directory("leases") / f"memory-{n}.lock") for n in range(shares)
        ]
        self._taken = False

    @contextmanager
    def take(self, mib: int) -> Iterator[None]:
        """Hold `mib` MiB, once they are free; all there is where that is less."""
        if self._taken:
            yield
            return
        count = min(-(-mib // self._share_mib), len(self._locks))
        with ExitStack() as held:
            self._gather(count, held)
            self._taken = True
            held.callback(self._give_back)
            yield

    def _give_back(self) -> None:
        self._taken = False

    def _gather(self, count: int, held: ExitStack) -> None:
        """Take shares in turn with others: two that have half of what they want never go on."""
        with self._cache.lock("memory", "turn"):
            missing = count - self._take_free(count, held)
            if missing:
                with waiting("waiting for memory that other workers' guests have"):
                    while missing:
                        time.sleep(_PAUSE)
                        missing -= self._take_free(missing, held)

    def _take_free(self, most: int, held: ExitStack) -> int:
        """Take up to `most` free shares; how many it was."""
        taken = 0
        for lock in self._locks:
            if taken == most:
                break
            if not lock.is_locked and _try(lock):
                held.callback(lock.release)
                taken += 1
        return taken


def _try(lock: FileLock) -> bool:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    return True
