# SPDX-License-Identifier: Apache-2.0
"""What a scenario says of the kernel, or of the harness."""

from enum import StrEnum


class Verdict(StrEnum):
    """What a scenario says of the kernel, or of the harness; docs/verdicts.md has what each needs.

    Only `pass`, `fail` and `known-bug` looked at the kernel. `absent` and `not-applicable` say, by
    proof, that there is nothing to look at; `waived` that somebody asked not to look, or that this
    host has no such machine.
    """

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    KNOWN_BUG = "known-bug"
    ERROR = "error"
    LOST = "lost"
    BLOCKED = "blocked"
    NOT_RUN = "not-run"
    ABSENT = "absent"
    NOT_APPLICABLE = "not-applicable"
    WAIVED = "waived"
    SKIP = "skip"
    """Of records of schema 1 alone, which do not say why nobody looked."""


LOOKED = frozenset({Verdict.PASS, Verdict.FAIL, Verdict.KNOWN_BUG})
"""Somebody looked at the kernel."""
NOT_ALLOWED = frozenset({Verdict.ABSENT, Verdict.NOT_APPLICABLE})
"""The kernel does not allow to look, as was proven."""
BAD = frozenset({Verdict.FAIL, Verdict.ERROR, Verdict.LOST, Verdict.BLOCKED, Verdict.NOT_RUN})
"""A run with one of these is red."""
