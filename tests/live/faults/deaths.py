# SPDX-License-Identifier: Apache-2.0
"""Scenarios that each end their guest, or what it hangs on, in another way.

Collected only where a test names this file.
"""

import os
import signal

import pytest

pytestmark = pytest.mark.hotremove

SYSRQ = "/proc/sysrq-trigger"


def test_panic(guest):
    guest.control.run(f"echo c >{SYSRQ}", 60)


def test_panic_without_reboot(guest):
    guest.control.run(f"echo 0 >/proc/sys/kernel/panic; echo c >{SYSRQ}", 60)


def test_panic_in_the_background(guest):
    guest.control.start(f"sleep 1; echo c >{SYSRQ}")
    guest.plug_dimm("ua-dimm0", 128, 1)
    guest.wait_for_removal("ua-dimm0", 60)


def test_triple_fault(guest):
    # The kernel's own way to reset by force: an empty descriptor table and an interrupt.
    guest.control.run(f"echo triple >/sys/kernel/reboot/type; echo b >{SYSRQ}", 60)


def test_emulator_killed(guest):
    os.kill(guest.process.pid, signal.SIGKILL)
    guest.control.run("true", 60)


def test_emulator_killed_after_the_last_command(guest):
    os.kill(guest.process.pid, signal.SIGKILL)


def test_emulator_stopped(guest):
    os.kill(guest.process.pid, signal.SIGSTOP)
    guest.plug_dimm("ua-dimm0", 128, 1)


def test_emulator_stopped_before_a_command(guest):
    os.kill(guest.process.pid, signal.SIGSTOP)
    guest.control.run("true", 60)


def test_processors_stopped(guest):
    guest.domain.suspend()
    guest.control.run("true", 60)


def test_processors_stopped_during_a_removal(guest):
    guest.plug_dimm("ua-dimm0", 128, 1)
    guest.domain.suspend()
    guest.request_removal("ua-dimm0")
    guest.wait_for_removal("ua-dimm0", 2)


def test_agent_stopped(guest):
    guest.control.run("kill -STOP $(pidof agent)", 60)


def test_console_flood(guest):
    guest.control.run(f"while :; do echo t >{SYSRQ}; done", 300)


def test_connection_lost(guest):
    guest.hypervisor.connection.close()
    guest.hypervisor.domain_names()


def test_the_next_guest_works(guest):
    assert guest.control.check("echo fine") == "fine\n"
