# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a build that failed, by what it printed."""

from __future__ import annotations

import re
from itertools import pairwise

from hotremove.cache import no_space
from hotremove.errors import HostProblem, UsageProblem

_ERROR = re.compile(r"(?:error: |ERROR: |undefined reference|No space left)")
# What make says of a command that failed; the command itself, kconfig's for one, has said why.
_END = re.compile(r"\*\*\* ")
_FULL = re.compile(r"No space left on device|Disk quota exceeded")


def failure(what: str, lines: list[str]) -> HostProblem | UsageProblem:
    """The error for a build that failed, by what it printed."""
    if any(_FULL.search(line) for line in lines):
        return no_space(f"building {what}")
    return UsageProblem(f"{what} does not build: {first_complaint(lines)}")


def first_complaint(lines: list[str]) -> str:
    """The line that says why."""
    told = [line.strip() for line in lines if line.strip()] or ["no reason given"]
    telling = [line for line in told if _ERROR.search(line)]
    before = [line for line, after in pairwise(told) if _END.search(after)]
    return (telling or before or told[-1:])[0]
