# SPDX-License-Identifier: Apache-2.0
"""This machine's memory, in portions of which each worker has one, and a large guest takes more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path

from filelock import FileLock

from hotremove.patience import is_taken, wait_for_others


class MemoryBudget:
    """Portions that the workers of a run take for their guests: a file lock each.

    What one process holds at a time counts once: it waits for none of its own portions.
    """

    def __init__(self, folder: Path, portions: int, portion_mib: int) -> None:
        """There are `portions` of `portion_mib` MiB each, or 0 where nothing is shared.

        The locks lie in `folder`, which is the run's own.
        """
        self._portion_mib = portion_mib
        self._turn = FileLock(folder / "memory-turn.lock")
        self._locks = [FileLock(folder / f"memory-{number}.lock") for number in range(portions)]
        self._taken = False

    @contextmanager
    def take(self, mib: int) -> Iterator[None]:
        """Hold `mib` MiB, once they are free; all there is where that is less."""
        if self._taken or not self._locks:
            yield
            return
        count = min(-(-mib // self._portion_mib), len(self._locks))
        with ExitStack() as held:
            self._gather(count, held)
            self._taken = True
            held.callback(self._give_back)
            yield

    def _give_back(self) -> None:
        self._taken = False

    def _gather(self, count: int, held: ExitStack) -> None:
        """Take portions in turn with others: two that have half of what they want never go on."""

        def is_enough() -> bool:
            nonlocal count
            if not (self._turn.is_locked or _try(self._turn, turn)):
                return False
            free = (lock for lock in self._locks if not lock.is_locked and _try(lock, held))
            count -= len(list(islice(free, count)))
            return count == 0

        with ExitStack() as turn:
            wait_for_others(
                is_enough,
                "waiting for memory that other workers' guests have",
                "look at their tests, or give this one fewer workers (-n)",
            )


def _try(lock: FileLock, held: ExitStack) -> bool:
    """Whether the lock was free; it is then held as long as `held`."""
    if not is_taken(lock):
        return False
    held.callback(lock.release)
    return True
