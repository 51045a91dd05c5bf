# SPDX-License-Identifier: Apache-2.0
"""Run directories, their watchdog and the reaper, with processes that only look like QEMU."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hotremove.virt import reaper
from hotremove.virt.process import EmulatorProcess
from hotremove.virt.run_directory import RunDirectory


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(reaper, "runs_folder", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def emulate(tmp_path):
    """Start a process that by its arguments is the QEMU of a run directory."""
    shell = tmp_path / "qemu-system-shell"
    shutil.copy(shutil.which("sh"), shell)
    started = []

    def start(directory):
        command = [str(shell), "-c", "read forever", f"{directory}/guests/1"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        started.append(process)
        # In a session of its own it is the subreaper's to wait for, not this test's.
        return EmulatorProcess(process.pid)

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.stdin.close()
        process.wait()


def a_dead_pid():
    gone = subprocess.Popen(["true"])
    gone.wait()
    return gone.pid


def make_run(folder, name, owner):
    directory = folder / f"{reaper.PREFIX}{name}"
    (directory / "guests/1").mkdir(parents=True)
    reaper.sign(directory, owner)
    return directory


def test_only_runs_whose_owner_is_gone_are_abandoned(temporary):
    make_run(temporary, "alive", os.getpid())
    dead = make_run(temporary, "dead", a_dead_pid())
    (temporary / f"{reaper.PREFIX}just-being-made").mkdir()
    (temporary / f"{reaper.PREFIX}a-file").touch()
    assert reaper.abandoned() == [dead]


def age(path):
    """Make it look as if nobody had touched it for an hour."""
    past = time.time() - 3600
    os.utime(path, (past, past))


def test_what_nobody_has_signed_is_none_of_ours(temporary):
    """Somebody's results, or a folder of another program's that only begins alike."""
    results = temporary / f"{reaper.PREFIX}results"
    results.mkdir()
    (results / "results.json").touch()
    age(results)
    assert reaper.ownerless() == []


def test_what_is_left_of_a_run_that_could_not_sign_is_empty(temporary):
    empty = temporary / f"{reaper.PREFIX}killed-at-once"
    empty.mkdir()
    assert reaper.ownerless() == []
    age(empty)
    assert reaper.ownerless() == [empty]


def test_the_evidence_of_a_step_that_runs_is_spared(temporary, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", None)
    with reaper.temporary("bisect") as folder:
        (run,) = temporary.iterdir()
        assert folder.is_relative_to(run)
        assert list(folder.iterdir()) == []
        (folder / "results.json").touch()
        age(run)
        assert reaper.ownerless() == []
        (run / reaper.OWNER).write_text(f"{a_dead_pid()} 1\n")
        assert reaper.ownerless() == [run]
    assert list(temporary.iterdir()) == []


def test_a_pid_that_is_used_again_is_not_the_owner(temporary):
    directory = make_run(temporary, "reused", os.getpid())
    (directory / reaper.OWNER).write_text(f"{os.getpid()} 1\n")
    assert reaper.abandoned() == [directory]


def test_reaping_ends_the_runs_own_guests_only(temporary, emulate):
    dead = make_run(temporary, "dead", a_dead_pid())
    other = make_run(temporary, "dead2", a_dead_pid())
    mine, foreign = emulate(dead), emulate(other)
    until_running(mine, foreign)
    assert reaper.reap(dead) == {mine.pid}
    assert ending(mine) == "QEMU was killed by SIGKILL"
    assert foreign.running
    assert not dead.exists()
    assert other.exists()


def test_a_kept_guest_is_spared_until_asked_for(temporary, emulate):
    dead = make_run(temporary, "dead", a_dead_pid())
    kept, other = emulate(dead), emulate(dead)
    until_running(kept, other)
    reaper.keep(dead, kept.pid)
    assert reaper.abandoned() == []
    assert reaper.reap(dead, spare_kept=True) == {other.pid}
    assert kept.running
    assert dead.exists()
    assert reaper.reap(dead) == {kept.pid}
    assert not dead.exists()


def test_a_kept_guest_that_has_ended_keeps_nothing(temporary, emulate):
    dead = make_run(temporary, "dead", a_dead_pid())
    kept = emulate(dead)
    until_running(kept)
    reaper.keep(dead, kept.pid)
    kept.kill()
    assert reaper.abandoned() == [dead]


def test_the_watchdog_reaps_when_its_owner_is_killed(temporary, emulate):
    """The owner is another Python; this process must be able to outlive it."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "from hotremove.virt import reaper, run_directory\n"
        "reaper.runs_folder = lambda: Path(sys.argv[1])\n"
        "print(run_directory.RunDirectory.make().path, flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, temporary], stdout=subprocess.PIPE)
    directory = Path(owner.stdout.readline().decode().strip())
    guest = emulate(directory)
    until_running(guest)
    owner.kill()
    owner.wait()
    assert ending(guest) == "QEMU was killed by SIGKILL"
    # The watchdog holds none of its owner's descriptors open: the pipe is at its end.
    with owner.stdout:
        assert owner.stdout.read() == b""
    until(lambda: not directory.exists())


def test_removing_a_run_directory_ends_what_runs_there(emulate):
    run = RunDirectory.make()
    stray = emulate(run.path)
    until_running(stray)
    run.remove()
    assert ending(stray) == "QEMU was killed by SIGKILL"
    assert not run.path.exists()


def test_how_an_emulator_ended_is_known_after_its_pid_is_used_again(emulate, temporary):
    watched = emulate(temporary)
    assert watched.running
    watched.kill()
    assert watched.ending == "QEMU was killed by SIGKILL"
    watched._subreaper._statuses[os.getpid()] = 9
    assert EmulatorProcess(os.getpid()).running


def ending(process):
    """How it ended, once it has."""
    until(lambda: not process.running)
    return process.ending


def until_running(*processes):
    """Between fork and exec a process still carries this one's arguments."""
    until(lambda: all(b"qemu" in command_line(process) for process in processes))


def command_line(process):
    return Path(f"/proc/{process.pid}/cmdline").read_bytes()


def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
