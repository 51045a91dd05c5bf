# SPDX-License-Identifier: Apache-2.0
"""Kernels with a fault: what a scenario's run with one says, and what nobody can put in force."""

import re

import pytest

pytestmark = pytest.mark.live

SCENARIOS = """
import pytest

from hotremove.scenario import MIB, REMOVED

pytestmark = pytest.mark.hotremove


@pytest.mark.notices("no-migration", "protection-lost")
def test_watchful(movable_dimm, rdma):
    rdma.pin(movable_dimm.map(16 * MIB))
    movable_dimm.eject().expect(REMOVED)


@pytest.mark.notices("no-migration", "protection-lost")
def test_blind(movable_dimm):
    movable_dimm.map(16 * MIB)
    movable_dimm.eject().expect(REMOVED)


@pytest.mark.notices("no-migration")
def test_distracted(movable_dimm, fault):
    assert not fault, "something else is wrong"


@pytest.mark.scenario(1, "a region held", control=True)
def test_control(movable_dimm, rdma):
    rdma.pin(movable_dimm.map(16 * MIB))
    movable_dimm.eject().expect(REMOVED)
"""
KERNEL = ("--hotremove-kernel", "debian:bookworm")


def told(run):
    """Verdict and message by the test's name and its fault."""
    names = (row.test.rpartition("::")[2].partition("[")[0] for row in run.rows)
    return {
        (name, row.fault): (row.verdict, row.message)
        for name, row in zip(names, run.rows, strict=True)
    }


def test_a_scenario_is_proven_by_the_right_failure_alone(laboratory):
    run = laboratory.run(SCENARIOS, *KERNEL, "--hotremove-prove")
    assert run.wait() == 1, run.text
    found = told(run)
    assert {key: verdict for key, (verdict, _) in found.items()} == {
        ("test_watchful", ""): "pass",
        ("test_watchful", "no-migration"): "pass",
        ("test_watchful", "protection-lost"): "not-applicable",
        ("test_blind", ""): "pass",
        ("test_blind", "no-migration"): "fail",
        ("test_blind", "protection-lost"): "not-applicable",
        ("test_distracted", ""): "pass",
        ("test_distracted", "no-migration"): "fail",
        ("test_control", ""): "pass",
    }
    noticed, blind, distracted = (
        found[f"test_{name}", "no-migration"][1] for name in ("watchful", "blind", "distracted")
    )
    assert noticed.startswith("noticed: stuck: pfn 0x")
    assert "in node 1's ZONE_MOVABLE holds 1 long-term pin" in noticed
    # It ends once the kernel has named the page, not when its 4 s are over.
    assert float(re.search(r"did not end in ([\d.]+) s", noticed)[1]) < 4
    assert blind == "test_blind does not notice no-migration"
    assert distracted.startswith("fails, and not by what is wrong with no-migration: something els")


def test_what_no_carrier_has_is_told_and_tried_once(laboratory):
    run = laboratory.run(
        SCENARIOS, *KERNEL, "--hotremove-prove", "--hotremove-faults=protection-lost"
    )
    assert run.wait() == 0, run.text
    missing = [row for row in run.rows if row.fault]
    assert [row.verdict for row in missing] == ["not-applicable"] * 2
    assert len({row.message for row in missing}) == 1
    assert missing[0].message.startswith(
        "nothing brings the fault protection-lost on this kernel: "
    )
    assert [bool(row.evidence) for row in missing] == [True, False]
    version = run.rows[0].kernel_version
    assert f"no carrier has, on {version}: protection-lost" in run.text


def test_a_control_must_not_notice_what_it_does_not_say(laboratory):
    run = laboratory.run(SCENARIOS, *KERNEL, "--hotremove-faults=no-migration", "-k", "control")
    assert run.wait() == 1, run.text
    ((verdict, message),) = told(run).values()
    assert verdict == "fail"
    assert message.startswith("a control notices no-migration: stuck: pfn 0x")


def test_without_modules_a_fault_of_the_module_is_waived(laboratory):
    words = ("--hotremove-faults=no-migration", "--hotremove-without", "modules", "-k", "watchful")
    run = laboratory.run(SCENARIOS, *KERNEL, *words)
    assert run.wait() == 0, run.text
    assert [row.verdict for row in run.rows] == ["waived"]
