# SPDX-License-Identifier: Apache-2.0
"""After a scenario: did its kernel report only what it may, and what it must?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from hotremove.allowances import Terms, settle
from hotremove.errors import GuestDied, HotremoveError
from hotremove.stash import GUEST, SETTLED, TERMS
from hotremove.verdict.outcome import Outcome
from hotremove.verdict.removal import UnexpectedOutcome
from hotremove.verdict.splats import KernelSplat


@contextmanager
def expected_death(item: pytest.Item) -> Iterator[None]:
    """Let the guest of a scenario die if that is what the scenario expects."""
    try:
        yield
    except GuestDied:
        if not _terms(item).expect_death:
            raise


def settle_reports(item: pytest.Item) -> None:
    """Look at what the kernel of a finished scenario reported.

    Raises:
        KernelSplat: something nobody allowed.
        AssertionError: something expected did not come.
        GuestDied, GuestLost: there is no guest any more, and nobody expected that.
    """
    __tracebackhide__ = True
    guest = item.stash.get(GUEST, None)
    if guest is None:
        return
    terms = _terms(item)
    if not terms.expect_death:
        guest.check()
    item.stash[SETTLED] = settle(
        guest.console_reports() if terms.expect_death else guest.reports(),
        terms,
        kernel=guest.plan.image.kernel.label,
        scenario=str(getattr(item, "originalname", item.name)),
        today=datetime.now(UTC).date(),
    )


def reported_besides(item: pytest.Item, error: BaseException) -> tuple[str, ...]:
    """Titles of what the kernel of a failed scenario reported that nobody allowed.

    Its death is one, when `error` tells of it.
    """
    if isinstance(error, GuestDied) or _guest_died(error):
        return (str(error).partition("\n")[0],)
    if isinstance(error, KernelSplat):
        return _titles(error)
    try:
        settle_reports(item)
    except KernelSplat as splat:
        return _titles(splat)
    except (AssertionError, HotremoveError):
        pass
    return ()


def _titles(splat: KernelSplat) -> tuple[str, ...]:
    return tuple(one.title for one in splat.reports)


def _guest_died(error: BaseException) -> bool:
    return isinstance(error, UnexpectedOutcome) and error.removal.outcome is Outcome.GUEST_DIED


def _terms(item: pytest.Item) -> Terms:
    return item.stash.get(TERMS, Terms())
