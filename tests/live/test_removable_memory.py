# SPDX-License-Identifier: Apache-2.0
"""Rows that do not care how memory comes, by virtio-mem: what moves leaves, what stays is told."""

import json

import pytest
from run_harness import Laboratory, Run

pytestmark = pytest.mark.live

ROWS = """
import pytest
from hotremove.memory.arrival import OnlineRefused, online_block
from hotremove.scenario import MIB, REMOVED, STUCK

pytestmark = pytest.mark.hotremove

@pytest.mark.memory(256)
@pytest.mark.pins("rdma")
def test_moved(movable_memory, pinner):
    pin = pinner.pin(movable_memory.map(32 * MIB))
    movable_memory.unplug().expect(REMOVED)
    pin.expect_migrated_from(movable_memory.frames)
    movable_memory.expect_gone()
    movable_memory.plug_again()

@pytest.mark.memory(256)
@pytest.mark.scenario(6, "held")
def test_stuck(movable_memory, vmsplice):
    buffer = movable_memory.map(32 * MIB)
    vmsplice.pin(buffer)
    movable_memory.unplug(deadline=6).expect(STUCK)
    movable_memory.expect_allocatable()
    assert movable_memory.unplug(deadline=3, steady=False).outcome is STUCK
    buffer.unpin()
    movable_memory.unplug().expect(REMOVED)

@pytest.mark.memory(256)
def test_shared(movable_memory, vmsplice):
    (buffer,) = movable_memory.share(8 * MIB, holders=1)
    vmsplice.pin(buffer)
    movable_memory.unplug(deadline=6).expect(STUCK)

@pytest.mark.memory(256)
def test_come_back(movable_memory, guest):
    block = movable_memory.blocks[0]
    online_block(guest.control, block.index, "online_movable")
    guest.control.write(f"/sys/devices/system/memory/memory{block.index}/state", "offline")
    with pytest.raises(OnlineRefused, match="EINVAL"):
        online_block(guest.control, block.index, "sideways")
    movable_memory.online()
"""


@pytest.fixture(scope="module")
def run(module_laboratory: Laboratory) -> Run:
    return module_laboratory.run(ROWS, "--hotremove-memory", "virtio-mem")


def removals(run: Run, test: str) -> list[dict]:
    evidence = run.folder / "artifacts" / run.results[test].evidence
    return json.loads((evidence / "removals.json").read_text())


def test_it_leaves_under_a_pin_and_comes_back(run: Run):
    assert run.results["test_moved"].verdict == "pass", run.text
    (removal,) = removals(run, "test_moved")
    assert (removal["mechanism"], removal["outcome"]) == ("virtio-mem shrink", "removed")


def test_what_stays_is_told_asked_for_again_and_gone_with_the_pin(run: Run):
    assert run.results["test_stuck"].verdict == "pass", run.text
    first, again, last = removals(run, "test_stuck")
    assert [one["outcome"] for one in (first, again, last)] == ["stuck", "stuck", "removed"]
    assert "32 of 256 MiB stay plugged, asked for " in first["explanation"]
    assert "8192 pages of pid " in first["explanation"]
    assert "a FOLL_GET reference that is not long-term" in first["explanation"]
    assert last["seconds"] < 20  # the driver's own timer would have it wait for 50 s


def test_a_page_that_the_kernel_tried_to_migrate_is_named(run: Run):
    assert run.results["test_shared"].verdict == "pass", run.text
    (removal,) = removals(run, "test_shared")
    assert removal["explanation"].startswith("stuck: pfn 0x")
    assert "a reference that is no pin (refcount 4 = " in removal["explanation"]
    assert ", held by pid " in removal["explanation"]


def test_a_block_that_came_back_by_itself_is_online_and_not_refused(run: Run):
    assert run.results["test_come_back"].verdict == "pass", run.text


def test_records_and_the_script_that_repeats_a_test_say_how_the_memory_came(run: Run):
    assert {result.memory for result in run.rows} == {"virtio-mem"}
    assert run.environment["removable memory"] == "virtio-mem"
    assert "6 held [virtio-mem]" in run.text
    evidence = run.folder / "artifacts" / run.results["test_stuck"].evidence
    assert "--hotremove-memory=virtio-mem" in (evidence / "repro.sh").read_text()
