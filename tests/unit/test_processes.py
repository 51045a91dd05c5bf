# SPDX-License-Identifier: Apache-2.0
"""Programs that do not end are ended, with all that they have started."""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from hotremove import processes
from hotremove.errors import HostProblem


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_what_a_program_prints_and_how_it_ends():
    done = processes.run(["sh", "-c", "echo out; echo err >&2; exit 3"], "trying")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 3)
    assert processes.feed(["cat"], "trying", b"data").stdout == b"data"


def test_one_that_does_not_end_is_ended_with_what_it_has_started(tmp_path):
    child = tmp_path / "child"
    script = f"sleep 600 & echo $! >{child}; wait"
    start = time.monotonic()
    with pytest.raises(HostProblem) as told:
        processes.run(["sh", "-c", script], "fetching the lists", 0.5)
    assert time.monotonic() - start < 10
    assert str(told.value).startswith("fetching the lists: no end after 0.5 s, and it was killed")
    assert "try by hand: sh -c" in str(told.value)
    assert "\n" not in str(told.value)
    until(lambda: not is_running(int(child.read_text())))


def test_each_line_is_a_sign_of_life():
    script = "for n in 1 2 3 4; do echo $n; sleep 0.3; done; sleep 600"
    lines = []
    with (
        pytest.raises(HostProblem, match="compiling: no end after 1 s"),
        processes.started(["sh", "-c", script], "compiling", 1.0, text=True) as child,
    ):
        lines.extend(child.lines())
    assert lines == ["1\n", "2\n", "3\n", "4\n"]


def test_who_interrupts_leaves_nothing_running(tmp_path):
    pid = tmp_path / "pid"

    def interrupt():
        until(lambda: pid.exists() and pid.read_text().strip())
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            processes.run(["sh", "-c", f"echo $$ >{pid}; sleep 600"], "waiting", 60)
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)
    until(lambda: not is_running(int(pid.read_text())))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_interrupts_a_start_leaves_nothing_running(monkeypatch, number):
    """A signal that comes after fork, and before anybody has the process to end it."""
    pids = []

    class Interrupted(subprocess.Popen):
        def __init__(self, *words, **how):
            super().__init__(*words, **how)
            pids.append(self.pid)
            signal.raise_signal(number)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    before = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            processes.run(["sleep", "600"], "waiting", 60)
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)
    until(lambda: not is_running(*pids))


def test_who_is_not_read_to_the_end_ends_all_the_same():
    start = time.monotonic()
    with processes.started(["yes"], "reading", 30.0) as child:
        child.process.stdout.read(10)
    assert child.process.returncode == -signal.SIGPIPE
    assert time.monotonic() - start < 10


def test_an_error_of_the_caller_is_the_callers():
    with (
        pytest.raises(ValueError, match="mine"),
        processes.started(["sleep", "600"], "sleeping", 60, stdout=subprocess.DEVNULL),
    ):
        raise ValueError("mine")
