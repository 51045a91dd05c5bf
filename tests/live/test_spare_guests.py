# SPDX-License-Identifier: Apache-2.0
"""The next test's guest, restored while this one's test runs: used, ended, and never left."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from run_harness import WAITS, WORKS, Laboratory, until

from hotremove.errors import GuestLost
from hotremove.guest.local import LocalGuests
from hotremove.guest.machine import Guest
from hotremove.guest.plan import GuestPlan
from hotremove.kernels.kernel import Kernel
from hotremove.session.farm import Farm
from hotremove.virt.reaper import emulators_of
from hotremove.virt.topology import Topology

pytestmark = pytest.mark.live


@pytest.fixture
def plan(farm: Farm, kernel: Kernel, topology: Topology) -> GuestPlan:
    return farm.plan(kernel, topology)


@pytest.fixture
def guests(farm: Farm, plan: GuestPlan) -> Iterator[LocalGuests]:
    """Those of this process, which has restored one already."""
    source = farm.guest_source
    assert isinstance(source, LocalGuests)
    with source.lend(plan) as guest:
        assert guest.origin == "restored"
    yield source
    source._spare.close()
    source.pool.finish_destroys()
    assert not source.hypervisor.domain_names()


def names(guests: LocalGuests) -> set[str]:
    """Those of the domains there are, once all that were given back are gone."""
    guests.pool.finish_destroys()
    return set(guests.hypervisor.domain_names())


def spare_of(guests: LocalGuests, plan: GuestPlan) -> str:
    """The name of a spare guest that is ready."""
    guests.prepare(plan)
    loaded = guests._spare._coming.result(60)
    assert guests.hypervisor.paused == loaded.domain.state()[0]
    assert names(guests) == {loaded.name}
    assert not guests.guests
    return loaded.name


def is_fine(guest: Guest) -> bool:
    return guest.control.check("echo fine") == "fine\n"


def test_a_spare_guest_is_stopped_until_it_is_taken(guests, plan):
    spare = spare_of(guests, plan)
    guests.prepare(plan)
    assert names(guests) == {spare}, "there is one at most"
    with guests.lend(plan) as guest:
        assert guest.name == spare
        assert is_fine(guest)
        assert float(guest.control.read("/proc/uptime").split()[0]) < 60
        assert guests.guests == (guest,)


def test_one_of_another_plan_is_ended(guests, plan):
    spare = spare_of(guests, plan)
    with guests.lend(plan.with_parameter("quiet")) as guest:
        assert guest.name != spare
        assert names(guests) == {guest.name}


@pytest.mark.parametrize("is_ready", [True, False])
def test_one_that_dies_costs_nothing(guests, plan, is_ready):
    guests.prepare(plan)
    if is_ready:
        guests._spare._coming.exception(60)
    folder = guests.pool.directory.path
    until(lambda: emulators_of(folder), 20, "a spare guest")
    for pid in emulators_of(folder):
        os.kill(pid, signal.SIGKILL)
    with guests.lend(plan) as guest:
        assert is_fine(guest)


@pytest.mark.takes(65)
def test_one_whose_emulator_is_stopped_is_lost_within_two_minutes(guests, plan):
    spare_of(guests, plan)
    (pid,) = emulators_of(guests.pool.directory.path)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(GuestLost, match="restoring a guest: libvirt did not answer in 60 s"):
        guests.fresh(plan)


def test_there_is_none_of_a_snapshot_that_nobody_has_looked_at(guests, plan):
    guests._verified.clear()
    guests.prepare(plan)
    assert guests._spare._coming.exception(60)
    assert not names(guests)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_ends_with_a_spare_guest_leaves_none(laboratory: Laboratory, number: int):
    run = laboratory.start(WAITS)
    laboratory.await_guest()
    until(lambda: len(laboratory.emulators) == 2, 60, "a spare guest")
    os.killpg(run.process.pid, number)
    run.wait(60)
    laboratory.expect_nothing_left()


def test_the_last_test_has_no_spare_guest(laboratory: Laboratory):
    run = laboratory.run(f"{WORKS}{WORKS.replace('test_works', 'test_counts')}{COUNTS}")
    assert {name: row.verdict for name, row in run.results.items()} == {
        "test_works": "pass",
        "test_counts": "pass",
        "test_is_alone": "pass",
    }
    laboratory.expect_nothing_left()


COUNTS = """
import os, time
from pathlib import Path

from hotremove.virt.reaper import emulators_of

@pytest.mark.hotremove
def test_is_alone(guest):
    time.sleep(2)
    assert emulators_of(Path(os.environ["TMPDIR"])) == {guest.process.pid}
"""
