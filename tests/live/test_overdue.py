# SPDX-License-Identifier: Apache-2.0
"""A test that does not end is ended, and judged by what its kernel's log says."""

import re

import pytest
from verdict_table import OVERDUE as ROWS
from verdict_table import TABLE

pytestmark = [pytest.mark.live, pytest.mark.takes(75)]

LIMIT = 25
SCENARIOS = """
import time
from contextlib import suppress

import pytest

from hotremove.scenario import MIB, STUCK

pytestmark = pytest.mark.hotremove
ENDLESS = "sleep 600"

def test_harness_hangs(guest):
    guest.control.run(ENDLESS, 600)

def test_kernel_has_reported(guest, farm, kernel):
    guest.control.write("/run/splat.ko", farm.kmods(kernel).find("splat").read_bytes())
    guest.control.check("insmod /run/splat.ko; mount -t debugfs d /sys/kernel/debug || true")
    guest.control.check("echo warn >/sys/kernel/debug/splat/provoke")
    guest.control.run(ENDLESS, 600)

def test_kernel_is_stuck(movable_dimm, vmsplice):
    vmsplice.pin(movable_dimm.map(4 * MIB))
    movable_dimm.offline(deadline=2)
    movable_dimm.guest.control.run(ENDLESS, 600)

def test_kernel_tries_to_remove(movable_dimm, vmsplice):
    vmsplice.pin(movable_dimm.map(4 * MIB))
    movable_dimm.offline(deadline=600)

def test_error_is_swallowed(guest):
    with suppress(Exception):
        guest.control.run(ENDLESS, 600)
    time.sleep(600)

@pytest.mark.timeout(5)
def test_marker_has_precedence(guest):
    time.sleep(600)

def test_the_next_one_works(guest):
    assert guest.control.check("echo fine") == "fine\\n"

def test_without_a_guest_has_no_limit():
    time.sleep(0.1)
"""
WITH, WITHOUT = (TABLE[row].verdict for row in ROWS)
OVERDUE = f"the test took more than the {LIMIT} s it has as a whole"


@pytest.fixture(scope="module")
def overdue(module_laboratory):
    """One run of all of them."""
    return module_laboratory.run(
        SCENARIOS, "-n", "3", f"--hotremove-test-limit={LIMIT}", seconds=400
    )


@pytest.mark.parametrize(
    ("name", "verdict", "told"),
    [
        ("test_harness_hangs", WITHOUT, f"{OVERDUE}; last on the guest's console: "),
        ("test_kernel_has_reported", WITH, f"{OVERDUE}; the kernel reported: WARNING"),
        ("test_kernel_is_stuck", WITH, "sysfs offline did not end in 2 s"),
        ("test_kernel_tries_to_remove", WITH, f"{OVERDUE}; under way was: remove by sysfs offl"),
        ("test_error_is_swallowed", WITHOUT, OVERDUE),
        ("test_marker_has_precedence", WITHOUT, "more than the 5 s it has as a whole"),
        ("test_the_next_one_works", "pass", ""),
    ],
)
def test_verdict(overdue, name, verdict, told):
    result = overdue.results[name]
    assert result.verdict == verdict, overdue.text
    assert told in result.message
    assert " s it has as a whole" in result.message or verdict == "pass"
    assert result.duration_s < LIMIT + 60


def test_the_run_goes_on_and_leaves_nothing(overdue, module_laboratory):
    assert overdue.wait() == 1
    assert re.search(r"6 failed, 2 passed", overdue.text)
    assert not module_laboratory.left
