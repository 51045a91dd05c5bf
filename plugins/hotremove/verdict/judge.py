# SPDX-License-Identifier: Apache-2.0
"""From how a test ended to a verdict on the kernel, or on the harness."""

from __future__ import annotations

import pytest

from hotremove.errors import CapabilityAbsent, GuestDied, HotremoveError
from hotremove.pins.buffer import PinRefused
from hotremove.verdict.outcome import Verdict


def judge(error: BaseException | None) -> Verdict:
    """The verdict for what a test raised, or for nothing.

    Only evidence against the kernel fails it: an assertion, a refused pin, the guest's own account
    of its death. What the farm itself raises is `lost`; anything else is a mistake in test code.
    """
    if error is None:
        return Verdict.PASS
    if isinstance(error, (CapabilityAbsent, pytest.skip.Exception)):
        return Verdict.SKIP
    if isinstance(error, (AssertionError, PinRefused, GuestDied)):
        return Verdict.FAIL
    if isinstance(error, HotremoveError):
        return Verdict.LOST
    return Verdict.ERROR
