# SPDX-License-Identifier: Apache-2.0
"""What a guest says of itself that is not there to be asked."""

from types import SimpleNamespace

import pytest

from hotremove.errors import EmulatorFault, GuestDied, GuestLost, HotremoveError
from hotremove.guest.machine import Guest
from hotremove.virt.domain import Channels

PANIC = "[    1.000000] Kernel panic - not syncing: sysrq triggered crash\n"


@pytest.fixture
def ended(tmp_path):
    """A guest that has ended; what it said can be written to its console."""
    plan = SimpleNamespace(accelerator="tcg")
    return Guest(plan, "gone", Channels(tmp_path), None, "booted")


def test_one_that_has_ended_has_no_log_that_is_known_to_be_whole(ended):
    with pytest.raises(GuestLost, match="it was never started"):
        ended.reports()


def test_one_that_said_why_died(ended):
    ended.console.path.write_text(PANIC)
    with pytest.raises(GuestDied, match="sysrq triggered crash"):
        ended.reports()
    assert [report.kind for report in ended.console_reports()] == ["panic"]


def trap_at(byte):
    """An oops by a breakpoint; `byte` is what memory has where the processor ran it."""
    return (
        "[    5.379372] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI\n"
        "[    5.379683] CPU: 1 UID: 0 PID: 151 Comm: cryptomgr_test Not tainted 6.12.118 #1\n"
        "[    5.379844] RIP: 0010:migrate_task_rq_fair+0x3b/0x1b0\n"
        f"[    5.380040] Code: 55 89 f5 53 {byte} <62> 48 83 bb 00\n"
        "[    5.380320] Call Trace:\n"
        "[    5.382727]  set_task_cpu+0x72/0x1c0\n"
        "[    6.082727] Kernel panic - not syncing: Fatal exception in interrupt\n"
    )


@pytest.mark.parametrize(
    ("accelerator", "byte", "error"),
    [("tcg", "eb", EmulatorFault), ("tcg", "cc", GuestDied), ("kvm", "eb", GuestDied)],
)
def test_a_breakpoint_that_memory_does_not_hold_is_the_emulators(ended, accelerator, byte, error):
    ended.plan.accelerator = accelerator
    ended.console.path.write_text(trap_at(byte))
    with pytest.raises(HotremoveError) as raised:
        ended.check()
    assert raised.type is error
