# SPDX-License-Identifier: Apache-2.0
"""What a run says of a commit, in the words of `git bisect run`.

A commit is good only when everything that was asked of it was answered, and all was well: what
cannot be judged is skipped, since one wrong answer leads to a wrong commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from hotremove.analysis.summary import verdicts
from hotremove.observe.timeline import ORIGINS
from hotremove.results.case import Case
from hotremove.results.naming import title
from hotremove.results.text import one_line
from hotremove.verdict.verdict import Verdict


class Answer(IntEnum):
    """Exit codes, as git-bisect(1) reads them."""

    GOOD = 0
    BAD = 1
    SKIP = 125
    ABORT = 128

    @property
    def word(self) -> str:
        """For people."""
        return {Answer.SKIP: "cannot be judged", Answer.ABORT: "stop"}.get(self, self.name.lower())


@dataclass(frozen=True)
class Step:
    """The answer for one commit, and why, in one line."""

    answer: Answer
    why: str

    def __str__(self) -> str:
        return f"bisect-step: {self.answer.word} ({self.answer}): {one_line(self.why)}"


# What pytest's exit codes other than 0 and 1 mean for a bisection; any other is pytest's own end.
_ENDS = {
    2: Step(Answer.ABORT, "interrupted, or the scenarios cannot be read, as told above"),
    4: Step(Answer.ABORT, "pytest refuses, as told above"),
    5: Step(Answer.ABORT, "-k selects no scenario"),
}


def judge_run(code: int | None, cases: Sequence[Case]) -> Step:
    """The answer that a run gives.

    Args:
        code: pytest's exit code; None when it was broken off at its deadline.
        cases: what it left.
    """
    if code in _ENDS:
        return _ENDS[code]
    if bad := [case for case in cases if _is_bad(case)]:
        return Step(Answer.BAD, _told(bad[0]))
    if code is None:
        return Step(Answer.SKIP, "the scenarios did not end within --deadline")
    if code not in (0, 1):
        return Step(Answer.SKIP, f"pytest ended with {code}")
    return _judge_without_failure(cases)


def _judge_without_failure(cases: Sequence[Case]) -> Step:
    silent = [case for case in cases if case.result.verdict != Verdict.PASS or case.result.flaky]
    if silent:
        rest = f" ({len(silent)} of {len(cases)} tests say nothing)" if len(cases) > 1 else ""
        boot = "" if _came_up(silent[0]) else "no guest came up: "
        return Step(Answer.SKIP, f"{boot}{_told(silent[0])}{rest}")
    if not cases:
        return Step(Answer.SKIP, "no scenario says anything of the kernel")
    kernel = cases[0].result.kernel_version
    return Step(Answer.GOOD, f"{kernel}: {len(cases)} of {len(cases)} tests passed")


def _is_bad(case: Case) -> bool:
    """Whether a test fails the kernel; one that dies while it boots is another bug."""
    return case.result.verdict in (Verdict.FAIL, Verdict.KNOWN_BUG) and _came_up(case)


def _came_up(case: Case) -> bool:
    """Whether the test got its guest: its timeline has that."""
    return case.folder is None or any(moment.name in ORIGINS for moment in case.timeline)


def _told(case: Case) -> str:
    result = case.result
    why = result.message.partition("\n")[0] or result.outcome
    return f"{result.kernel_version}: {title(result)}: {verdicts(result)}: {why}"
