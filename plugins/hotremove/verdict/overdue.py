# SPDX-License-Identifier: Apache-2.0
"""A test whose time as a whole is over: what its guest's own logs say of that.

The guest is not asked: whoever interrupts a test does not know what it was saying to the guest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hotremove.errors import GuestLost
from hotremove.memory.outcome import Outcome
from hotremove.memory.removal import Removal
from hotremove.observe.kernellog.allowance import judge
from hotremove.observe.kernellog.dmesg import find_reports
from hotremove.observe.kernellog.report import Report
from hotremove.observe.pagedump import parse_dumps
from hotremove.verdict.allowances import ReportExpectations

if TYPE_CHECKING:
    from hotremove.guest.machine import Guest

# What a removal under way is called on a guest's timeline.
_REMOVING = "remove by "


class TestOverdue(GuestLost):
    """A test did not end in its time, and nothing speaks against the kernel: verdict `lost`."""

    __test__ = False  # no class of tests, whatever its name


class KernelOverdue(AssertionError):
    """A test did not end in its time, and the kernel's log tells why: verdict `fail`."""


def overdue(
    guest: Guest | None,
    expectations: ReportExpectations,
    scenario: str,
    told: str,
    removals: Sequence[Removal],
) -> TestOverdue | KernelOverdue:
    """The error for a test that `told` says is overdue, by what is there.

    That is its guest's logs, and `removals`, what it tried before.
    """
    if guest is None:
        return TestOverdue(told)
    activity = guest.timeline.activity
    told = f"{told}; under way was: {activity.name}" if activity else told
    if reports := _not_allowed(guest, expectations, scenario):
        titles = "; ".join(dict.fromkeys(one.title for one in reports))
        return KernelOverdue(f"{told}; the kernel reported: {titles}\n{reports[0].text}")
    if tried := _tried(guest, removals):
        return KernelOverdue(f"{told}; {tried}")
    return TestOverdue(f"{told}; last on the guest's console: {guest.console.last_line()}")


def _not_allowed(guest: Guest, expectations: ReportExpectations, scenario: str) -> Sequence[Report]:
    reports = [*guest.console_reports(), *find_reports(guest.evidence.text().splitlines())]
    allowed = (*expectations.allowed, *expectations.expected)
    today, kernel = datetime.now(UTC).date(), guest.plan.image.kernel.label
    return judge(reports, allowed, today=today, kernel=kernel, scenario=scenario).failing


def _tried(guest: Guest, removals: Sequence[Removal]) -> str:
    """What proves that the kernel tries to remove memory, or has tried, and comes to no end.

    An offline that fails prints the page that blocks it each time.
    """
    if removals and removals[-1].outcome is Outcome.STUCK:
        return str(removals[-1])
    activity = guest.timeline.activity
    dumps = parse_dumps(guest.evidence.text().splitlines())
    if activity and activity.name.startswith(_REMOVING) and dumps:
        return f"the kernel tries to, and dumped {len(dumps)} pages that block it"
    return ""
