# SPDX-License-Identifier: Apache-2.0
"""Runs that are killed, disturbed or starved: what becomes of their guests and of the cache."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from run_harness import NEVER_BOOTS, WAITS, WORKS, until

pytestmark = pytest.mark.live


def watchdogs(temporary: Path) -> set[int]:
    """Pids of the processes that watch over the runs in a folder."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        watches = any(word.endswith(b"/virt/reaper.py") for word in words)
        if watches and any(word.startswith(os.fsencode(temporary)) for word in words):
            found.add(int(entry.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_ended_by_a_signal_leaves_nothing(laboratory, number):
    run = laboratory.start(WAITS)
    laboratory.await_guest()
    assert laboratory.emulators
    os.killpg(run.process.pid, number)
    code = run.wait(60)
    laboratory.expect_nothing_left()
    until(lambda: not watchdogs(laboratory.temporary), 20, "the end of the watchdog")
    assert code == (-number if number is signal.SIGKILL else 2)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_run_told_to_end_keeps_its_results(laboratory, workers):
    run = laboratory.start(f"{WORKS}{WAITS}", "-v", "-n", workers)
    until(lambda: "PASSED" in run.text, 120, "a result")
    laboratory.await_guest()
    run.process.terminate()
    assert run.wait(60) == 2, run.text
    verdicts = [row.verdict for row in run.rows]
    assert sorted(verdicts) == ["not-run", "not-run", "pass"], run.text
    laboratory.expect_nothing_left()


def test_an_interrupt_during_a_boot_leaves_nothing(laboratory):
    laboratory.private_cache()
    topology = laboratory.folder / "never-boots.toml"
    topology.write_text(NEVER_BOOTS)
    run = laboratory.start(WORKS, "--hotremove-topology", str(topology))
    until(lambda: laboratory.emulators, 60, "a guest that boots")
    run.process.send_signal(signal.SIGINT)
    assert run.wait(60) == 2, run.text
    laboratory.expect_nothing_left()
    assert not list((laboratory.cache / "snapshots").iterdir())


def test_reap_clears_what_is_left_when_the_watchdog_is_killed_too(laboratory):
    run = laboratory.start(WAITS)
    laboratory.await_guest()
    until(lambda: len(laboratory.emulators) == 2, 60, "the next test's guest")
    for watchdog in watchdogs(laboratory.temporary):
        os.kill(watchdog, signal.SIGKILL)
    os.killpg(run.process.pid, signal.SIGKILL)
    run.wait()
    told = laboratory.command("reap")
    assert "2 guests ended, directory removed" in told
    assert not laboratory.left


def test_reap_spares_a_run_that_lives(laboratory):
    laboratory.start(WAITS)
    laboratory.await_guest()
    assert laboratory.command("reap") == ""
    assert laboratory.emulators


def test_the_tests_of_a_killed_worker_are_lost_and_its_guests_gone(laboratory):
    run = laboratory.start(WAITS, "-n", "2")
    until(lambda: len(list(laboratory.temporary.glob("waits-*"))) == 2, 120, "two workers")
    for marker in laboratory.temporary.glob("waits-*"):
        os.kill(int(marker.name.removeprefix("waits-")), signal.SIGKILL)
        marker.unlink()
    # xdist puts new workers in their places; there is no test left for them.
    assert run.wait(120) == 1
    laboratory.expect_nothing_left()
    assert [row.verdict for row in run.rows] == ["lost", "lost"]
    assert all("crashed while running" in row.message for row in run.rows)
    assert {row.kernel for row in run.rows} == {"debian:bookworm"}


def test_no_disk_space_for_a_saved_guest(laboratory):
    cache = laboratory.private_cache()
    saved = cache / "snapshots"
    saved.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m", "none", str(saved)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this account may mount nothing: run as root")
    try:
        run = laboratory.run(WORKS)
        assert run.results["test_works"].verdict == "lost"
        assert "no disk space left while" in run.results["test_works"].message
        assert not list(saved.iterdir())
        laboratory.expect_nothing_left()
        subprocess.run([*mount[:4], "remount,size=400m", "none", str(saved)], check=True)
        again = laboratory.run(WORKS)
        assert again.results["test_works"].verdict == "pass", again.text
    finally:
        subprocess.run(["umount", str(saved)], check=True)


def test_two_runs_at_once_boot_once(laboratory):
    cache = laboratory.private_cache()
    runs = [laboratory.start(WORKS), laboratory.start(WORKS)]
    assert [run.wait() for run in runs] == [0, 0]
    assert sorted(run.text.count("once, to be restored for each test") for run in runs) == [0, 1]
    assert len(list((cache / "snapshots").iterdir())) == 1
    laboratory.expect_nothing_left()
