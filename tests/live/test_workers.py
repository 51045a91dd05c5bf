# SPDX-License-Identifier: Apache-2.0
"""Two workers against one: the same record, summary and exit code, and the same nothing left."""

import os
import signal
from dataclasses import replace

import pytest
from run_harness import WAITS, until

pytestmark = pytest.mark.live

SOURCE = """
import os
from pathlib import Path

import pytest

from hotremove.errors import CapabilityAbsent


@pytest.mark.hotremove
@pytest.mark.scenario(901, "works")
@pytest.mark.allow_splat("warning", reason="never comes", expires="2999-01-01")
def test_works(guest):
    Path(os.environ["TMPDIR"], f"ran-{os.getpid()}").touch()


@pytest.mark.hotremove
@pytest.mark.scenario(902, "fails")
def test_fails(guest):
    Path(os.environ["TMPDIR"], f"ran-{os.getpid()}").touch()
    guest.control.check("echo '<1>hotremove test says so' > /dev/kmsg")
    assert guest.control.check("echo one") == "two"


@pytest.mark.hotremove
@pytest.mark.scenario(903, "skips")
def test_skips(guest):
    Path(os.environ["TMPDIR"], f"ran-{os.getpid()}").touch()
    raise CapabilityAbsent("this kernel has no such thing")


@pytest.mark.hotremove
@pytest.mark.scenario(904, "panics")
def test_panics(guest):
    Path(os.environ["TMPDIR"], f"ran-{os.getpid()}").touch()
    guest.control.run("echo c > /proc/sysrq-trigger")
"""
DIES_ONCE = """
import os
import signal
from pathlib import Path

import pytest


@pytest.mark.hotremove
def test_first(guest):
    pass


@pytest.mark.hotremove
def test_kills_its_worker(guest):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.hotremove
@pytest.mark.parametrize("number", range(2))
def test_later(guest, number):
    assert guest.control.check("echo fine") == "fine\\n"
"""


def comparable(run):
    """A run's results in their order, without times: of messages the first line."""
    return [
        replace(row, duration_s=0.0, message=row.message.partition("\n")[0]) for row in run.rows
    ]


def summary(text):
    """The end of a run's output, without what differs from run to run."""
    table = text.partition("hot-remove: kernels by scenarios")[2].partition("evidence:")[0]
    return table.partition("\n")[2]


def test_two_workers_tell_what_one_tells(laboratory):
    alone = laboratory.run(SOURCE)
    (pid,) = {path.name for path in laboratory.temporary.glob("ran-*")}
    (laboratory.temporary / pid).unlink()
    both = laboratory.run(SOURCE, "-n", "2")
    assert len(list(laboratory.temporary.glob("ran-*"))) == 2, "one worker ran everything"
    assert [row.verdict for row in alone.rows] == ["pass", "fail", "absent", "fail"], alone.text
    assert alone.wait() == both.wait() == 1
    assert comparable(both) == comparable(alone)
    assert summary(both.text) == summary(alone.text) != ""
    assert "allowance not needed in this run" in summary(both.text)
    own = {"command": ""}  # which tells how many workers there were
    assert {**both.environment, **own} == {**alone.environment, **own}
    assert "under TCG" in both.text or "under KVM" in both.text
    for row in both.rows:
        ours, theirs = (run.folder / "artifacts" / row.evidence for run in (both, alone))
        assert sorted(p.name for p in ours.iterdir()) == sorted(p.name for p in theirs.iterdir())
    laboratory.expect_nothing_left()


def test_a_run_goes_on_without_a_killed_worker(laboratory):
    run = laboratory.run(DIES_ONCE, "-n", "2")
    laboratory.expect_nothing_left()
    verdicts = {row.test.partition("::")[2].partition("[")[0]: row.verdict for row in run.rows}
    assert verdicts == {"test_first": "pass", "test_kills_its_worker": "lost", "test_later": "pass"}
    assert len(run.rows) == 4
    assert run.wait() == 1


def test_an_interrupt_ends_all_workers(laboratory):
    run = laboratory.start(WAITS, "-n", "2")
    until(lambda: len(list(laboratory.temporary.glob("waits-*"))) == 2, 120, "two workers")
    named = {path.name.split("-")[1] for path in laboratory.temporary.glob("hotremove-*")}
    assert named == {"gw0", "gw1"}
    os.killpg(run.process.pid, signal.SIGINT)
    assert run.wait(60) == 2, run.text
    laboratory.expect_nothing_left()


def test_a_kept_guest_of_a_worker_is_told(laboratory):
    failing = SOURCE.split("\n\n\n")
    source = "\n\n\n".join((failing[0], failing[2]))
    run = laboratory.run(source, "-n", "1", "--hotremove-keep-guest")
    try:
        assert "hotremove attach /" in run.text
        assert len(laboratory.emulators) == 1
    finally:
        laboratory.command("reap", "--kept")
    laboratory.expect_nothing_left()
