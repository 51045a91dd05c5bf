# SPDX-License-Identifier: Apache-2.0
"""After a scenario: did its kernel report only what it may, and what it must?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from hotremove.errors import GuestDied, HotremoveError
from hotremove.memory.outcome import Outcome
from hotremove.memory.removal import UnexpectedOutcome
from hotremove.observe.kernellog.report import Report
from hotremove.observe.kernellog.wholeness import LogNotWhole
from hotremove.plugin.lending import GUEST
from hotremove.verdict.allowances import AllowanceUsage, ReportExpectations, check_reports
from hotremove.verdict.splats import KernelSplat

REPORT_EXPECTATIONS: pytest.StashKey[ReportExpectations] = pytest.StashKey()
"""On an item: which kernel reports it allows and expects."""
ALLOWANCE_USAGE: pytest.StashKey[AllowanceUsage] = pytest.StashKey()
"""On an item: how its allowances fared."""


@contextmanager
def expected_death(item: pytest.Item) -> Iterator[None]:
    """Let the guest of a scenario die if that is what the scenario expects."""
    try:
        yield
    except GuestDied:
        if not _expectations(item).expect_death:
            raise


def check_reports_of(item: pytest.Item) -> None:
    """Look at what the kernel of a finished scenario reported.

    Raises:
        KernelSplat: something nobody allowed.
        AssertionError: something expected did not come.
        LogNotWhole: records of its log are lost, and the rest has nothing that fails it.
        GuestDied, GuestLost: there is no guest any more, and nobody expected that.
    """
    __tracebackhide__ = True
    guest = item.stash.get(GUEST, None)
    if guest is None:
        return
    expectations = _expectations(item)
    if not expectations.expect_death:
        guest.check()
    try:
        _check(item, guest.console_reports() if expectations.expect_death else guest.reports())
    except LogNotWhole as gap:
        _check(item, gap.reports)  # what is left of the log may be evidence
        raise


def _check(item: pytest.Item, reports: Sequence[Report]) -> None:
    __tracebackhide__ = True
    item.stash[ALLOWANCE_USAGE] = check_reports(
        reports,
        _expectations(item),
        kernel=item.stash[GUEST].plan.image.kernel.label,
        scenario=str(getattr(item, "originalname", item.name)),
        today=datetime.now(UTC).date(),
    )


@dataclass(frozen=True)
class Besides:
    """What is known of a kernel beside what its scenario raised.

    Attributes:
        reports: titles of what it reported that nobody allowed; its death is one.
        unread: why its log could not be read to its end; empty where it was.
    """

    reports: tuple[str, ...] = ()
    unread: str = ""


def reported_besides(item: pytest.Item, error: BaseException) -> Besides:
    """What the kernel reported, of a scenario that raised `error`: a failure, or a skip."""
    if isinstance(error, GuestDied) or _guest_died(error):
        return Besides((_first_line(error),))
    if isinstance(error, KernelSplat):
        return Besides(_titles(error))
    try:
        check_reports_of(item)
    except KernelSplat as splat:
        return Besides(_titles(splat))
    except GuestDied as death:
        return Besides((_first_line(death),))
    except HotremoveError as loss:
        return Besides(_on_console(item), _first_line(loss))
    except AssertionError:  # what was expected did not come: of no matter where all else failed
        pass
    return Besides()


def _on_console(item: pytest.Item) -> tuple[str, ...]:
    """What nobody allowed of that which a lost guest left on its console."""
    try:
        _check(item, item.stash[GUEST].console_reports())
    except KernelSplat as splat:
        return _titles(splat)
    except AssertionError:
        pass
    return ()


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


def _titles(splat: KernelSplat) -> tuple[str, ...]:
    return tuple(one.title for one in splat.reports)


def _guest_died(error: BaseException) -> bool:
    return isinstance(error, UnexpectedOutcome) and error.removal.outcome is Outcome.GUEST_DIED


def _expectations(item: pytest.Item) -> ReportExpectations:
    return item.stash.get(REPORT_EXPECTATIONS, ReportExpectations())
