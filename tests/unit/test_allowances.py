# SPDX-License-Identifier: Apache-2.0
"""Allowances and expectations of kernel reports, from markers to the end of a run."""

from datetime import date

import pytest

from hotremove.observe.kernellog.allowance import Allowance
from hotremove.observe.kernellog.dmesg import find_reports
from hotremove.verdict.allowances import (
    AllowanceBook,
    AllowanceUsage,
    ReportExpectations,
    check_reports,
)
from hotremove.verdict.splats import KernelSplat

TODAY = date(2026, 11, 23)
WARNING = """\
[   12.000001] ------------[ cut here ]------------
[   12.000002] WARNING: CPU: 1 PID: 93 at mm/gup.c:1234 internal_get_user_pages_fast+0x12/0x34
[   12.000003] Modules linked in: rdma_rxe
[   12.000004] CPU: 1 PID: 93 Comm: holder Not tainted 6.1.0 #1
[   12.000005] RIP: 0010:internal_get_user_pages_fast+0x12/0x34
[   12.000006] Call Trace:
[   12.000007]  <TASK>
[   12.000008]  pin_user_pages_fast+0x1/0x2
[   12.000009]  </TASK>
[   12.000010] ---[ end trace 0000000000000000 ]---
""".splitlines()
PANIC = ["[   13.000000] Kernel panic - not syncing: sysrq triggered crash"]


def check_here(lines, *allowed, expected=()):
    expectations = ReportExpectations(allowed, tuple(expected))
    return check_reports(
        find_reports(lines), expectations, kernel="6.1.192", scenario="test_x", today=TODAY
    )


def test_a_report_that_nobody_allowed_fails():
    with pytest.raises(KernelSplat, match=r"mm/gup\.c:1234") as raised:
        check_here(WARNING)
    assert raised.value.reports[0].kind == "warning"


def test_an_allowed_report_passes_and_the_allowance_counts_as_used():
    allowance = Allowance("known", kind="warning", expires=date(2027, 1, 1))
    assert check_here(WARNING, allowance) == AllowanceUsage(used=(str(allowance),))


def test_an_expired_allowance_does_not_help_and_is_named():
    allowance = Allowance("known", kind="warning", expires=date(2026, 1, 1))
    with pytest.raises(KernelSplat, match=r"has expired: warning \(known\), until 2026-01-01"):
        check_here(WARNING, allowance)


def test_an_allowance_that_met_no_report_is_told_at_the_end():
    allowance = Allowance("known", kind="kasan", expires=date(2027, 1, 1))
    book = AllowanceBook()
    book.enter(check_here([], allowance))
    assert book.remarks() == [f"not needed in this run: {allowance}"]


def test_an_allowance_that_one_scenario_used_is_not_unused():
    allowance = Allowance("known", kind="warning", expires=date(2027, 1, 1))
    book = AllowanceBook()
    book.enter(check_here([], allowance))
    book.enter(check_here(WARNING, allowance))
    assert book.remarks() == []


def test_an_expected_panic_passes_and_tells_that_the_guest_may_die():
    panic = Allowance("expected", kind="panic", pattern="sysrq")
    assert ReportExpectations((), (panic,)).expect_death
    assert check_here(PANIC, expected=[panic]).unused == ()


def test_an_expected_report_that_does_not_come_fails():
    panic = Allowance("expected", kind="panic")
    with pytest.raises(AssertionError, match="did not report what was expected: panic"):
        check_here([], expected=[panic])
