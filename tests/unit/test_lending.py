# SPDX-License-Identifier: Apache-2.0
"""What a test tried on its guests' memory belongs to the test, whatever becomes of the guests."""

import json
from types import SimpleNamespace

import pytest

from hotremove.guest.machine import Guest
from hotremove.memory.outcome import STUCK
from hotremove.memory.removal import Removal
from hotremove.observe.counters import Counters
from hotremove.observe.pagemap import PfnRuns
from hotremove.observe.timeline import Moment
from hotremove.plugin.lending import EVIDENCE, GUEST, forget_guest, removals_of
from hotremove.results.evidence import Evidence
from hotremove.verdict.allowances import ReportExpectations
from hotremove.verdict.overdue import KernelOverdue, TestOverdue, overdue
from hotremove.virt.domain import Channels

NONE = Counters({})


@pytest.fixture
def item():
    return SimpleNamespace(stash=pytest.Stash())


@pytest.fixture
def guest(tmp_path):
    """One that has ended, on a kernel whose name is all that matters."""
    kernel = SimpleNamespace(label="6.1")
    plan = SimpleNamespace(image=SimpleNamespace(kernel=kernel))
    made = Guest(plan, "gone", Channels(tmp_path), None, "restored")
    made.console.path.write_text("the last line\n")
    return made


@pytest.fixture
def stuck():
    frames = PfnRuns.of([(0x100000, 512)])
    return Removal("sysfs offline", STUCK, 2.0, 2.0, 1, frames, (), NONE, NONE, (), False)


def test_it_is_the_same_list_until_the_test_begins_anew(item, guest, stuck):
    removals_of(item).append(stuck)
    item.stash[GUEST], item.stash[EVIDENCE] = guest, Evidence(None)
    assert removals_of(item) == [stuck]
    forget_guest(item)
    assert removals_of(item) == []
    assert GUEST not in item.stash
    assert EVIDENCE not in item.stash


def test_it_is_kept_with_the_logs_where_qemu_has_none_here(tmp_path, guest, stuck):
    evidence = Evidence.open(tmp_path / "artifacts", "test_it.py::test_it")
    evidence.after([stuck], guest, None)
    evidence.timed([Moment("set up", 0.0, 1.5)])
    assert (evidence.directory / "timeline.json").read_text() == '[["set up", 0.0, 1.5]]\n'
    (row,) = json.loads((evidence.directory / "removals.json").read_text())
    assert row["outcome"] == "stuck"
    assert {file.name for file in evidence.directory.iterdir()} == {
        *("console.log", "dmesg.log", "removals.json", "timeline.json"),
    }


def test_a_kernel_that_was_stuck_before_is_why_a_test_is_overdue(guest, stuck):
    asked = (guest, ReportExpectations(), "test_it", "it took too long")
    assert isinstance(overdue(*asked, []), TestOverdue)
    error = overdue(*asked, [stuck])
    assert isinstance(error, KernelOverdue)
    assert "sysfs offline did not end in 2 s" in str(error)
