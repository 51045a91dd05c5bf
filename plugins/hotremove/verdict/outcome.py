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
    """What a scenario says of the kernel, or of the harness; docs/verdicts.md has what each needs.

    The last four did not look at the kernel: `absent` and `not-applicable` by proof, `waived`
    because somebody said so, `blocked` because something was in the way.
    """

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    KNOWN_BUG = "known-bug"
    ERROR = "error"
    LOST = "lost"
    BLOCKED = "blocked"
    ABSENT = "absent"
    NOT_APPLICABLE = "not-applicable"
    WAIVED = "waived"
    SKIP = "skip"


REMOVED = Outcome.REMOVED
REFUSED = Outcome.REFUSED
STUCK = Outcome.STUCK
GUEST_DIED = Outcome.GUEST_DIED
