# SPDX-License-Identifier: Apache-2.0
"""Guests of a second architecture, beside those of the first: one run, one matrix."""

from pathlib import Path

import pytest
from run_harness import CHECKOUT, Laboratory

from hotremove.architecture.arm64 import ARM64
from hotremove.cache import Cache
from hotremove.kernels.spec import resolve

pytestmark = pytest.mark.live
ROWS = CHECKOUT / "scenarios/test_other_ways.py"
BOTH = (
    *("--hotremove-kernel", "debian:bookworm", "--hotremove-kernel", "debian:bookworm@arm64"),
    *("--hotremove-accel", "tcg", "--hotremove-memory", "dimm", "-m", "hotremove"),
)
SHOWS_ITS_NODES = """
import pytest

@pytest.mark.hotremove
def test_nodes(guest, rdma, vfio):
    assert guest.origin == "restored"
    assert guest.control.check("cat /sys/devices/system/node/online") == "0-1\\n"
    assert guest.control.check("uname -m") == "aarch64\\n"
    said = guest.control.check("dmesg")
    assert "Faking a node" not in said
    assert "arm-smmu-v3" in said
"""


def test_both_in_one_matrix(laboratory: Laboratory) -> None:
    """Memory leaves under a pin on both; what arm64 has nobody for is absent, by its option."""
    chosen = "shrinks_under_a_pin and rdma or offline_under_memory_that_nobody"
    run = laboratory.run(ROWS, *BOTH, "-k", chosen)
    found = {(row.kernel, row.scenario.split(" ")[0]): row for row in run.rows}
    assert {one: row.verdict for one, row in found.items()} == {
        ("debian:bookworm", "31"): "pass",
        ("debian:bookworm", "35"): "pass",
        ("debian:bookworm@arm64", "31"): "pass",
        ("debian:bookworm@arm64", "35"): "absent",
    }, run.text
    absent = found["debian:bookworm@arm64", "35"]
    assert "CONFIG_ACPI_HOTPLUG_MEMORY is not set" in absent.message
    labels = {row.kernel_label for row in run.rows}
    assert {label.endswith("-arm64") for label in labels} == {True, False}
    assert all(label in run.text for label in labels)
    assert "tcg for x86_64, because as asked; tcg for aarch64" in run.environment["accelerator"]
    laboratory.expect_nothing_left()


@pytest.mark.nightly
@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_a_guest_has_two_nodes_and_an_iommu(laboratory: Laboratory, suite: str) -> None:
    run = laboratory.run(SHOWS_ITS_NODES, "--hotremove-kernel", f"debian:{suite}@arm64")
    assert [row.verdict for row in run.rows] == ["pass"], run.text


@pytest.mark.nightly
def test_the_image_says_what_packages_are_for(laboratory: Laboratory, tmp_path: Path) -> None:
    """A folder with an arm64 kernel wants no word for it."""
    kernel = resolve("debian:bookworm@arm64", Cache.default())
    assert kernel.modules
    for place, target in (("boot", kernel.image), ("lib/modules", kernel.modules)):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / target.name).symlink_to(target)
    (tmp_path / f"boot/config-{kernel.release}").symlink_to(
        kernel.image.with_name(f"config-{kernel.release}")
    )
    assert resolve(f"dir:{tmp_path}", Cache.default()).arch is ARM64
    chosen = "shrinks_under_memory_that_nobody"
    run = laboratory.run(ROWS, "--hotremove-kernel", f"dir:{tmp_path}", "-k", chosen)
    assert [row.verdict for row in run.rows] == ["pass"], run.text
