# SPDX-License-Identifier: Apache-2.0
"""How an attempt to hot-remove memory ended."""

from enum import StrEnum


class Outcome(StrEnum):
    """How an attempt to hot-remove memory ended."""

    REMOVED = "removed"
    REFUSED = "refused"
    STUCK = "stuck"
    GUEST_DIED = "guest-died"


REMOVED = Outcome.REMOVED
REFUSED = Outcome.REFUSED
STUCK = Outcome.STUCK
GUEST_DIED = Outcome.GUEST_DIED
