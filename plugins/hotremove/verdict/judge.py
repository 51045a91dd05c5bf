# SPDX-License-Identifier: Apache-2.0
"""From how a test ended to a verdict on the kernel, or on the harness."""

from __future__ import annotations

import pytest

from hotremove.errors import (
    Blocked,
    CapabilityAbsent,
    GuestDied,
    HotremoveError,
    NotApplicable,
    Waived,
)
from hotremove.pins.holder import PinRefused
from hotremove.verdict.verdict import Verdict

# The first that fits counts. `pytest.fail.Exception` is what a `pytest.raises` raises that saw
# nothing: the scenario's own claim about the kernel, as an assertion is.
_VERDICTS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], Verdict], ...] = (
    (CapabilityAbsent, Verdict.ABSENT),
    (NotApplicable, Verdict.NOT_APPLICABLE),
    (Blocked, Verdict.BLOCKED),
    ((Waived, pytest.skip.Exception, pytest.xfail.Exception), Verdict.WAIVED),
    ((AssertionError, PinRefused, GuestDied, pytest.fail.Exception), Verdict.FAIL),
    (HotremoveError, Verdict.LOST),
)


def judge(error: BaseException | None) -> Verdict:
    """The verdict for what a test raised, or for nothing; docs/verdicts.md has the whole table.

    Only evidence against the kernel fails it: an assertion, a refused pin, the guest's own account
    of its death. A skip of the test's author is no proof of anything: `waived`. What the farm
    itself raises is `lost`; anything else is a mistake in test code.
    """
    if error is None:
        return Verdict.PASS
    return next(
        (verdict for kinds, verdict in _VERDICTS if isinstance(error, kinds)), Verdict.ERROR
    )
