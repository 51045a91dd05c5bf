# SPDX-License-Identifier: Apache-2.0
"""Chance that can be repeated: what a seed makes of a test's rounds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest

from hotremove.errors import HotremoveError, NotLookedAt

ROUNDS: pytest.StashKey[Rounds] = pytest.StashKey()
"""On an item: its rounds, where chance decides in them."""

MOST = 5
"""So many times the rounds asked for are run where things are to happen at a time and did not."""


class Rounds:
    """The rounds of a test, each with chances of its own.

    The same seed gives the same chances in the same round, on every kernel and however many rounds
    there are.

    Attributes:
        count: how many there are: as many as were asked for, and more where nothing has raced yet.
    """

    def __init__(self, seed: int, count: int, name: str) -> None:
        """`count` rounds of the test called `name`."""
        self.seed = seed
        self.count = count
        self._name = name
        self._number = 0
        self._races: list[bool] = []

    def __iter__(self) -> Iterator[Random]:
        """What decides in each round.

        Raises:
            HotremoveError: at the end, where things were to happen at a time and never did, so that
                nothing was looked at.
        """
        self._number, most = 0, MOST * self.count
        while self._number < self.count:
            self._number += 1
            yield self.rng(self._number)
            if self._number == self.count < most and self._never_raced:
                self.count += 1
        if self._never_raced:
            raise HotremoveError(
                f"what was to race was never under way at a time in {self.count} rounds:"
                " ask for more --hotremove-rounds"
            )

    @property
    def _never_raced(self) -> bool:
        return bool(self._races) and not any(self._races)

    def rng(self, number: int = 0) -> Random:
        """What decides in a round; 0 is for a test without rounds."""
        return Random(f"{self.seed} {self._name} {number}")  # noqa: S311

    def note_race(self, raced: bool) -> None:
        """Tell whether in this round two things happened at a time, as they were meant to."""
        self._races.append(raced)

    def __str__(self) -> str:
        """How to come here again."""
        where = f"in round {self._number} of {self.count}, " if self._number else ""
        return f"{where}with --hotremove-seed {self.seed}"


@contextmanager
def annotate_round(item: pytest.Item) -> Iterator[None]:
    """Add to what a test raises the round it was in and the seed that repeats it."""
    try:
        yield
    except NotLookedAt:
        raise
    except Exception as error:
        if ROUNDS in item.stash:
            error.add_note(str(item.stash[ROUNDS]))
        raise
