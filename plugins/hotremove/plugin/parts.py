# SPDX-License-Identifier: Apache-2.0
"""Results of a test's parts, as the subtests of the kernel's own tests are: a row for each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from hotremove.verdict.verdict import Verdict

if TYPE_CHECKING:
    from hotremove.results.record import Result
    from hotremove.selftests.run import Answer

_PARTS: pytest.StashKey[list[Part]] = pytest.StashKey()


@dataclass(frozen=True)
class Part:
    """What a part of a test says of the kernel.

    Attributes:
        name: what is tried.
        verdict: as `Verdict` has it.
        message: why.
    """

    name: str
    verdict: Verdict
    message: str

    def result(self, whole: Result) -> Result:
        """The part's own result: that of the test, by its name in place of the row's title."""
        number, _, _ = whole.scenario.partition(" ")
        title = f"{number} {self.name}" if number.isdigit() else self.name
        return replace(
            whole,
            scenario=title,
            test=f"{whole.test}: {self.name}",
            outcome="",
            verdict=str(self.verdict),
            message=self.message,
            costs=(),
        )


def note(item: pytest.Item, answer: Answer) -> None:
    """Keep what one of the kernel's own tests says, for the results of a test."""
    from hotremove.observe.ktap import Said

    verdicts = {
        Said.PASSED: Verdict.PASS,
        Said.FAILED: Verdict.FAIL,
        Said.EXPECTED: Verdict.KNOWN_BUG,
        Said.SKIPPED: Verdict.NOT_APPLICABLE,
    }
    said = answer.subtest.said
    message = "" if said is Said.PASSED else answer.subtest.why or "it does not say why"
    verdict = Verdict.ABSENT if answer.absent else verdicts[said]
    part = Part(answer.name, verdict, message)
    item.stash.setdefault(_PARTS, []).append(part)


def results_of(item: pytest.Item, whole: Result) -> list[Result]:
    """The results of a test's parts, each by a name of its own."""
    seen: dict[str, int] = {}
    found = []
    for part in item.stash.get(_PARTS, []):
        seen[part.name] = seen.get(part.name, 0) + 1
        again = f" ({seen[part.name]})" if seen[part.name] > 1 else ""
        found.append(replace(part, name=part.name + again).result(whole))
    return found


def forget(item: pytest.Item) -> None:
    """Make a test one that has had no parts: it is tried again."""
    if _PARTS in item.stash:
        del item.stash[_PARTS]
