# SPDX-License-Identifier: Apache-2.0
"""Looking into guests: a debugger, kept guests, the shell, QEMU's gdb stub."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest
from run_harness import CHECKOUT, WORKS, until

from hotremove.virt.reaper import kept

pytestmark = pytest.mark.live

FAILS = """
import pytest

@pytest.mark.hotremove
def test_fails(guest):
    guest.control.write("/run/from-the-test", "42")
    assert not "reached"

@pytest.mark.hotremove
def test_works(guest):
    pass
"""
DEBUGS = """
import pytest

@pytest.mark.hotremove
def test_debugs(guest):
    breakpoint()
    assert guest.control.check("echo fine").strip() == "fine"
"""


def test_a_failed_tests_guest_is_kept_and_can_be_attached_to(laboratory):
    run = laboratory.run(FAILS, "--hotremove-keep-guest")
    assert run.wait() == 1
    (directory,) = laboratory.temporary.glob("hotremove-*")
    (emulator,) = laboratory.emulators
    assert kept(directory) == {emulator}
    (told,) = [line for line in run.text.splitlines() if line.startswith("hotremove attach")]
    assert "`hotremove reap --kept` ends them" in run.text

    assert "1 kept" in laboratory.command("reap")
    assert laboratory.emulators == {emulator}
    shell = pexpect.spawn(
        sys.executable, ["-m", "hotremove.cli", *told.split()[1:]], env=laboratory.environment
    )
    shell.expect("Ctrl-] leaves")
    shell.sendline("cat /run/from-the-test; echo +$((6 * 7))+")
    shell.expect("\\+42\\+")
    shell.send("\x1d")
    shell.expect(pexpect.EOF)
    shell.close()

    assert "1 guests ended" in laboratory.command("reap", "--kept")
    laboratory.expect_nothing_left()


def test_no_guest_is_kept_of_tests_that_pass(laboratory):
    assert laboratory.run(WORKS, "--hotremove-keep-guest").wait() == 0
    laboratory.expect_nothing_left()


def test_nothing_times_out_at_a_breakpoint(laboratory):
    """At the prompt, a command may take longer than its deadline, here and in the guest."""
    folder = laboratory.folder / "debugs"
    folder.mkdir()
    shutil.copy(CHECKOUT / "conftest.py", folder)
    (folder / "test_it.py").write_text(DEBUGS)
    words = ["-m", "pytest", "-p", "no:cacheprovider", "--color=no", "test_it.py"]
    pytest_run = pexpect.spawn(
        sys.executable, words, cwd=folder, env=laboratory.environment, timeout=120
    )
    pytest_run.expect("a shell in the guest: hotremove attach (\\S+shell.sock)")
    assert Path(pytest_run.match[1].decode()).is_socket()
    pytest_run.expect("\\(Pdb\\) ")
    pytest_run.sendline("p guest.control.run('sleep 3; echo late', 0.5)")
    pytest_run.expect("ending='exit', status=0, stdout=b'late")
    pytest_run.sendline("continue")
    pytest_run.expect("1 passed")
    pytest_run.expect(pexpect.EOF)
    pytest_run.close()
    assert pytest_run.exitstatus == 0
    laboratory.expect_nothing_left()


@pytest.mark.skipif(not shutil.which("gdb"), reason="gdb is not installed")
def test_gdb_stops_the_guest_before_the_test(laboratory):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    run = laboratory.start(WORKS, "--hotremove-gdb", str(port))
    until(lambda: "waiting for `gdb " in run.text, 120, "the invitation")
    assert run.process.poll() is None
    debugger = ["gdb", "-nx", "-batch", "-ex", f"target remote 127.0.0.1:{port}"]
    done = subprocess.run(
        [*debugger, "-ex", "info registers rip", "-ex", "shell sleep 2", "-ex", "detach"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "rip" in done.stdout, done.stdout + done.stderr
    assert run.wait() == 0, run.text
    laboratory.expect_nothing_left()


def test_a_run_that_is_killed_leaves_its_kept_guests_alone(laboratory):
    source = FAILS.replace("    pass", "    guest.control.run('sleep 100', 100)")
    run = laboratory.start(source, "--hotremove-keep-guest")
    until(lambda: [d for d in laboratory.temporary.glob("hotremove-*") if kept(d)], 120, "a keep")
    until(lambda: len(laboratory.emulators) == 2, 60, "the second guest")
    os.killpg(run.process.pid, signal.SIGKILL)
    run.wait()
    until(lambda: len(laboratory.emulators) == 1, 20, "the end of the other guest")
    assert "1 guests ended" in laboratory.command("reap", "--kept")
    laboratory.expect_nothing_left()
