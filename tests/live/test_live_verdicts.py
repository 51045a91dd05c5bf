# SPDX-License-Identifier: Apache-2.0
"""What a test can end in: the rows of docs/verdicts.md in which a kernel has a hand, each run."""

import pytest
from test_kernel_reports import run as run_pytest
from verdict_table import LIVE, TABLE

from hotremove.results.record import read_record

pytestmark = [pytest.mark.live, pytest.mark.takes(45)]

# The kernel without the fix is stuck under a long-term pin, and known for it.
UNFIXED = "debian:bullseye"
SCENARIOS = """
import os
import signal

import pytest

from hotremove.errors import CapabilityAbsent, NotApplicable
from hotremove.scenario import MIB, REMOVED
from hotremove.virt.polling import wait_until


@pytest.fixture
def warn(guest, farm, kernel):
    guest.control.write("/run/splat.ko", farm.kmods(kernel).find("splat").read_bytes())
    guest.control.check("insmod /run/splat.ko")
    return lambda: guest.control.write("/sys/kernel/debug/splat/provoke", "warn")


def test_report(warn):
    warn()


def test_skip_and_report(warn):
    warn()
    pytest.skip("not applicable")


def test_absent_and_report(warn):
    warn()
    raise CapabilityAbsent("CONFIG_X is not set")


@pytest.fixture
def setup_that_warns(warn):
    warn()
    raise NotApplicable("seen in a fixture")


def test_report_in_setup(setup_that_warns):
    pass


@pytest.mark.xfail(reason="fails here")
def test_xfail_and_report(warn):
    warn()
    assert False


@pytest.mark.scenario(1, "a region held")
def test_stuck_then_death(movable_dimm, rdma, guest):
    rdma.pin(movable_dimm.map(32 * MIB))
    removal = movable_dimm.eject(deadline=8)
    guest.control.run("echo c >/proc/sysrq-trigger &")
    assert wait_until(lambda: guest.ended, 30, lambda: None)
    removal.expect(REMOVED)


@pytest.mark.scenario(1, "a region held")
def test_stuck_as_known(movable_dimm, rdma):
    rdma.pin(movable_dimm.map(32 * MIB))
    movable_dimm.eject(deadline=8).expect(REMOVED)


@pytest.mark.scenario(1, "a region held")
def test_stuck_then_lost(movable_dimm, rdma, guest):
    rdma.pin(movable_dimm.map(32 * MIB))
    removal = movable_dimm.eject(deadline=8)
    os.kill(guest.process.pid, signal.SIGKILL)
    removal.expect(REMOVED)


def test_skip_and_lost(guest):
    os.kill(guest.process.pid, signal.SIGKILL)
    raise NotApplicable("it was there a moment ago")
"""
ROWS = {
    "test_report": "a kernel report that nobody allowed",
    "test_skip_and_report": "a skip, and a kernel report",
    "test_absent_and_report": "a skip, and a kernel report",
    "test_report_in_setup": "a skip, and a kernel report",
    "test_xfail_and_report": "`xfail`, and a kernel report",
    "test_stuck_then_death": "stuck as known, then the guest's death",
    "test_stuck_as_known": "a failure that the lineage knows",
    "test_stuck_then_lost": "a skip, and a log that cannot be read",
    "test_skip_and_lost": "a skip, and a log that cannot be read",
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """The results of the scenarios above by name, and what was printed."""
    folder = tmp_path_factory.mktemp("verdicts")
    done = run_pytest(
        folder, SCENARIOS, "--hotremove-kernel", UNFIXED, "--hotremove-expect", "lineage"
    )
    rows = read_record(folder / "artifacts" / "results.json")
    return {row.test.rpartition("::")[2].partition("[")[0]: row for row in rows}, done.stdout


def test_the_table_is_tested_whole():
    assert set(LIVE) <= set(ROWS.values())


@pytest.mark.parametrize("name", ROWS)
def test_a_test_ends_as_the_table_says(ended, name):
    results, told = ended
    assert results[name].verdict == TABLE[ROWS[name]].verdict, told


def test_the_report_is_told_beside_how_the_test_ended(ended):
    results, _ = ended
    message = results["test_absent_and_report"].message
    assert message.startswith("the kernel reported: WARNING: ")
    assert "the scenario itself ended as absent: CONFIG_X is not set" in message
    assert "guest died: Kernel panic" in results["test_stuck_then_death"].message
    assert "the guest was lost" in results["test_stuck_then_lost"].message
