# SPDX-License-Identifier: Apache-2.0
"""The kernels that are built with tests/faults/: whole without a name, broken by each."""

from pathlib import Path

import pytest

from hotremove.faults.fault import catalogue

pytestmark = [pytest.mark.live, pytest.mark.nightly]

CHECKOUT = Path(__file__).resolve().parents[2]
EACH = Path(__file__).parent / "faults" / "every_fault.py"
SCENARIOS = CHECKOUT / "scenarios"
KERNELS = {"bookworm": "6.1", "trixie": "6.12", "trixie-backports": "7.3"}
# The first run compiles the kernel (seconds).
WITH_A_BUILD = 4 * 3600


@pytest.fixture(params=KERNELS)
def faulty(request):
    """A kernel with the faults of its version."""
    patches = CHECKOUT / "tests/faults" / KERNELS[request.param]
    return f"debian-source:{request.param}+kinds+patch:{patches}"


def test_each_fault_changes_what_a_workload_sees(laboratory, faulty):
    run = laboratory.run(EACH, "--hotremove-kernel", faulty, seconds=WITH_A_BUILD)
    assert run.wait() == 0, run.text
    assert {row.verdict for row in run.rows} <= {"pass", "not-applicable", "absent"}, run.text


def test_without_a_name_the_kernel_is_whole(laboratory, faulty):
    for file in ("test_pinned_memory_leaves.py", "test_copy_on_write.py"):
        run = laboratory.run(SCENARIOS / file, "--hotremove-kernel", faulty, seconds=WITH_A_BUILD)
        assert run.wait() == 0, run.text


def test_a_fault_of_the_command_line(laboratory, faulty, tmp_path):
    topology = (SCENARIOS.parent / "guests/topologies/movable-node.toml").read_text()
    assert "cmdline" not in topology
    broken = tmp_path / "broken.toml"
    broken.write_text(f'cmdline = "fault=no-migration"\n{topology}')
    run = laboratory.run(
        SCENARIOS / "test_pinned_memory_leaves.py",
        *("--hotremove-kernel", faulty, "--hotremove-topology", str(broken), "-k", "rdma_memory"),
        seconds=WITH_A_BUILD,
    )
    assert [row.verdict for row in run.rows] == ["fail"], run.text
    assert catalogue()["no-migration"].shows_in(run.text), run.text


def test_costs_of_a_broken_kernel_are_noticed_and_no_figures(laboratory, faulty):
    run = laboratory.run(
        SCENARIOS / "test_pin_cost.py",
        *("--hotremove-kernel", faulty, "--hotremove-prove", "-k", "grows_in_step"),
        seconds=WITH_A_BUILD,
    )
    assert run.wait() == 0, run.text
    assert {row.fault: bool(row.costs) for row in run.rows} == {
        "": True,
        "quadratic-scan": False,
        "drain-each-page": False,
    }
