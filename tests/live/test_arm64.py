# SPDX-License-Identifier: Apache-2.0
"""Guests of a second architecture, beside those of the first: one run, one matrix."""

from pathlib import Path

import pytest
from run_harness import CHECKOUT, Laboratory

from hotremove.architecture.arm64 import ARM64
from hotremove.cache import Cache
from hotremove.faults.fault import catalogue
from hotremove.kernels.kernel import Kernel
from hotremove.kernels.spec import resolve

pytestmark = pytest.mark.live
ROWS = CHECKOUT / "scenarios/test_other_ways.py"
BOTH = (
    *("--hotremove-kernel", "debian:bookworm", "--hotremove-kernel", "debian:bookworm@arm64"),
    *("--hotremove-accel", "tcg", "--hotremove-memory", "dimm", "-m", "hotremove"),
)
# The farm's own build, with an option that Debian's lacks; whole unless a fault is named.
COMPILED = f"debian-source:trixie@arm64+patch:{CHECKOUT}/tests/faults/6.12"
BY_DIMM = ("--hotremove-kernel", COMPILED, "--hotremove-memory", "dimm")
# The first run compiles the kernel (seconds).
WITH_A_BUILD = 4 * 3600
BY_MODULE = ("--hotremove-memory", "dimm-by-module")
LEAVES = CHECKOUT / "scenarios/test_pinned_memory_leaves.py"
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


def place(kernel: Kernel, root: Path, *, config: bool = True) -> str:
    """The spec of a folder that has a kernel's files, its configuration perhaps left out."""
    assert kernel.modules
    pairs = [("boot", kernel.image), ("lib/modules", kernel.modules)]
    if config:
        pairs.append(("boot", kernel.image.with_name(f"config-{kernel.release}")))
    for folder, target in pairs:
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / target.name).symlink_to(target)
    return f"dir:{root}"


@pytest.mark.nightly
def test_the_image_says_what_packages_are_for(laboratory: Laboratory, tmp_path: Path) -> None:
    """A folder with an arm64 kernel wants no word for it."""
    spec = place(resolve("debian:bookworm@arm64", Cache.default()), tmp_path)
    assert resolve(spec, Cache.default()).arch is ARM64
    chosen = "shrinks_under_memory_that_nobody"
    run = laboratory.run(ROWS, "--hotremove-kernel", spec, "-k", chosen)
    assert [row.verdict for row in run.rows] == ["pass"], run.text


@pytest.mark.nightly
def test_a_dimm_that_no_kernel_sees_is_never_removed(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    """ACPI itself gives such a DIMM back at once; where nobody knows the options, too."""
    spec = place(resolve("debian:bookworm@arm64", Cache.default()), tmp_path, config=False)
    chosen = "memory_leaves_that_nobody_pins"
    run = laboratory.run(
        LEAVES, "--hotremove-kernel", spec, "--hotremove-memory", "dimm", "-k", chosen
    )
    [row] = run.rows
    assert row.verdict == "lost", run.text
    assert "no new memory block" in row.message


def test_a_module_handles_dimms_on_debians_kernel(laboratory: Laboratory) -> None:
    """Told in each row; where the kernel has a handler of its own, that is what counts."""
    kernels = (*("--hotremove-kernel", "debian:trixie@arm64"), "--hotremove-kernel=debian:trixie")
    run = laboratory.run(
        *(LEAVES, *kernels, *BY_MODULE, "-k", "nothing_of_the_memory or that_nobody_pins"),
        seconds=600,
    )
    assert {(row.kernel, row.verdict, row.outcome) for row in run.rows} == {
        ("debian:trixie@arm64", "pass", "removed"),
        ("debian:trixie", "not-applicable", ""),
    }, run.text
    assert all(row.row.endswith("[dimm-by-module]") for row in run.rows)


@pytest.mark.nightly
@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_with_it_a_fault_is_noticed(laboratory: Laboratory, suite: str) -> None:
    kernel = ("--hotremove-kernel", f"debian:{suite}@arm64", *BY_MODULE)
    chosen = ("-k", "nothing_of or an_rdma_memory_region or a_vfio_mapping")
    run = laboratory.run(LEAVES, *kernel, *chosen, "--hotremove-prove", seconds=1200)
    assert run.wait() == 0, run.text
    assert {row.verdict for row in run.rows} <= {"pass", "not-applicable"}, run.text
    assert "no-migration" in {row.fault for row in run.rows if row.verdict == "pass"}


@pytest.mark.nightly
def test_a_kernel_that_is_compiled_here_ejects_dimms(laboratory: Laboratory) -> None:
    run = laboratory.run(LEAVES, *BY_DIMM, seconds=WITH_A_BUILD)
    assert {row.scenario.split(" ")[0] for row in run.rows} == {"1", "2", "4", "8"}
    assert {(row.verdict, row.memory) for row in run.rows} == {("pass", "dimm")}, run.text
    assert {label.endswith("-arm64") for label in (row.kernel_label for row in run.rows)} == {True}


@pytest.mark.nightly
def test_a_fix_that_is_reverted_is_noticed(laboratory: Laboratory, tmp_path: Path) -> None:
    """Each row that has a pin of faulted memory fails by its sign, each control passes."""
    topology = (CHECKOUT / "guests/topologies/movable-node.toml").read_text()
    broken = tmp_path / "broken.toml"
    broken.write_text(f'cmdline = "fault=no-migration"\n{topology}')
    words = ("--hotremove-topology", str(broken), "-k", "not first_touched")
    run = laboratory.run(LEAVES, *BY_DIMM, *words, seconds=WITH_A_BUILD)
    assert {name: row.verdict for name, row in run.results.items()} == {
        "test_memory_leaves_under_an_rdma_memory_region": "fail",
        "test_memory_leaves_that_nobody_pins": "pass",
        "test_memory_leaves_under_a_vfio_mapping": "fail",
        "test_memory_leaves_beside_a_vfio_mapping_elsewhere": "pass",
        "test_nothing_of_the_memory_stays_on_its_node": "fail",
        "test_nothing_of_unpinned_memory_stays_on_its_node": "pass",
    }, run.text
    failed = [row.message for row in run.rows if row.verdict == "fail"]
    assert all(map(catalogue()["no-migration"].shows_in, failed)), failed
