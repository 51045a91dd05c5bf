# SPDX-License-Identifier: Apache-2.0
"""What to look at first in a run: tests that come to the same are one thing, the gravest lead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from hotremove.analysis.compare import key_of
from hotremove.analysis.summary import GRAVITY, verdicts
from hotremove.results.naming import in_words, row_order
from hotremove.results.record import Result
from hotremove.verdict.verdict import BAD, Verdict

MOST = 3
"""So many things are told; the table has the rest."""
_NUMBERS = {1: "one thing", 2: "two things", MOST: "the three things"}
_WAVERS = "tries of one test ended in different ways: the farm is to be suspected before the kernel"
# Page frames, processes and sizes differ where the cause does not.
_NUMBER = re.compile(r"0x[0-9a-f]+|\d+")
_CHANGE = re.compile(r"(?:fixed upstream by|the kernel has) ([0-9a-f]{12})")


class Weight(IntEnum):
    """What is looked at before what."""

    FAILURE = 1
    """The kernel did otherwise, and nobody knew."""
    LOST = 2
    """A guest was lost, a set-up failed, a test is wrong."""
    NOT_LOOKED = 3
    """The run ended before it, or somebody asked not to look."""
    WORSE = 4
    """None of these, and worse than in the last run."""
    WAVERS = 5
    """Tries of one test differ."""


_WEIGHTS = {
    Verdict.FAIL: Weight.FAILURE,
    Verdict.NOT_RUN: Weight.NOT_LOOKED,
    Verdict.WAIVED: Weight.NOT_LOOKED,
    Verdict.SKIP: Weight.NOT_LOOKED,
    **dict.fromkeys(BAD - {Verdict.FAIL, Verdict.NOT_RUN}, Weight.LOST),
}

Before = Mapping[tuple[str, str], str]
"""Verdicts in the last run of tests that are worse in this one, by what `key_of` calls them."""


@dataclass(frozen=True)
class Thing:
    """Something to look at.

    Attributes:
        tests: those that come to the same, never none; it is told by the first.
        weight: why it is looked at.
        before: the first's verdict in the last run; empty if it is not worse since.
        kernels: on which it is, in words.
    """

    tests: tuple[Result, ...]
    weight: Weight
    before: str
    kernels: str

    @property
    def first(self) -> Result:
        """The test by which it is told."""
        return self.tests[0]

    @property
    def alike(self) -> int:
        """How many other tests come to the same."""
        return len(self.tests) - 1

    @property
    def verdict(self) -> str:
        """`fail, was pass`; of several tries all, `fail, then pass`."""
        since = f", was {self.before}" if self.before else ""
        return verdicts(self.first) + since

    @property
    def heading(self) -> str:
        """Where it is, and what."""
        more = f" ({self.alike} more alike)" if self.alike else ""
        fault = f", with {self.first.fault}" if self.first.fault else ""
        return f"{self.kernels}, {self.first.row}{fault}: {self.verdict}{more}"

    @property
    def message(self) -> str:
        """Why, in a line; empty where the test says nothing."""
        told = self.first.message.partition("\n")[0]
        return told or (_WAVERS if self.weight is Weight.WAVERS else "")


def things(results: Sequence[Result], before: Before | None = None) -> list[Thing]:
    """All there is to look at, by weight; what is new leads among equals, then the lowest row.

    Alike are tests with one verdict for one cause, on whatever kernels.
    """
    worse = before or {}
    labels = list(dict.fromkeys(result.kernel_label for result in results))
    weighed = ((weight, one) for one in results if (weight := _weight(one, worse)))
    groups: dict[tuple[str, ...], list[Result]] = {}
    for weight, one in sorted(weighed, key=lambda pair: _urgency(pair[0], pair[1], worse)):
        groups.setdefault((weight.name, one.verdict, _cause(one)), []).append(one)
    return [_thing(Weight[key[0]], tests, worse, labels) for key, tests in groups.items()]


def caption(found: Sequence[Thing]) -> str:
    """What the first of all things are called, `the three things to look at first, of 7`."""
    words = f"{_NUMBERS[min(len(found), MOST)]} to look at first"
    return f"{words}, of {len(found)}" if len(found) > MOST else words


def _thing(weight: Weight, tests: Sequence[Result], worse: Before, labels: Sequence[str]) -> Thing:
    on = in_words({one.kernel_label for one in tests}, labels)
    return Thing(tuple(tests), weight, worse.get(key_of(tests[0]), ""), on)


def _weight(result: Result, worse: Before) -> Weight | None:
    weight = _WEIGHTS.get(Verdict(result.verdict))
    if weight is None and key_of(result) in worse:
        return Weight.WORSE
    return weight or (Weight.WAVERS if result.flaky else None)


def _urgency(weight: Weight, result: Result, worse: Before) -> tuple[int, bool, int, object]:
    gravity = GRAVITY.index(Verdict(result.verdict))
    return weight, key_of(result) not in worse, gravity, row_order(result.row)


def _cause(result: Result) -> str:
    """What several failures have in common: the upstream change, or the words but for numbers."""
    found = _CHANGE.search(result.message)
    return found[0] if found else _NUMBER.sub("", result.message.partition("\n")[0])


def highlights(results: Iterable[Result], before: Before | None = None) -> list[tuple[str, str]]:
    """The first things to look at: a heading, and why in a line."""
    return [(one.heading, one.message) for one in things(list(results), before)[:MOST]]
