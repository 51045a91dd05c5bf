# SPDX-License-Identifier: Apache-2.0
"""The suite as a child process: it ends when its command is told to, however that was started."""

import signal
import subprocess
import sys
import time

import pytest

from hotremove.cli.suite import run_suite

# What waits for a minute, and says when it does.
CHILD = "import time; print('waits', flush=True); time.sleep(60)"
PARENT = f"""
import sys
from hotremove.cli.suite import run_suite
sys.exit(run_suite([sys.executable, "-c", {CHILD!r}]) == -15)
"""


@pytest.fixture
def in_background():
    """As a shell's `&` starts what a script leaves behind: SIGINT is ignored."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_command_in_the_background_is_ended_with_its_suite(in_background):
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as command:
        assert command.stdout.readline() == b"waits\n"
        command.terminate()
        assert command.wait(30) == 1, "1: the suite ended by SIGTERM"


def test_a_suite_in_the_background_is_broken_off_at_its_deadline(in_background):
    begun = time.monotonic()
    assert run_suite([sys.executable, "-c", CHILD], deadline=0.2) is None
    assert time.monotonic() - begun < 30
