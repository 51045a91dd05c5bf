# SPDX-License-Identifier: Apache-2.0
"""What happened, and what it means: outcomes of a removal, verdicts of a scenario."""

from enum import StrEnum


class Outcome(StrEnum):
    """How an attempt to hot-remove memory ended."""

    REMOVED = "removed"
    REFUSED = "refused"
    STUCK = "stuck"
    GUEST_DIED = "guest-died"


class Verdict(StrEnum):
    """What a scenario says of the kernel, or of the harness."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    KNOWN_BUG = "known-bug"
    ERROR = "error"
    LOST = "lost"
    SKIP = "skip"


REMOVED = Outcome.REMOVED
REFUSED = Outcome.REFUSED
STUCK = Outcome.STUCK
GUEST_DIED = Outcome.GUEST_DIED
