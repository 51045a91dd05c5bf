# SPDX-License-Identifier: Apache-2.0
"""A kernel in packages that rpmbuild made, as a vendor hands it over."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from run_harness import Laboratory

from hotremove.bootimage.initramfs import BOOT_MODULES
from hotremove.bootimage.modules import ModuleIndex
from hotremove.cache import Cache
from hotremove.errors import UsageProblem
from hotremove.kernels import spec
from hotremove.kernels.kernel import Kernel

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not shutil.which("rpmbuild"), reason="no rpmbuild: the package rpm has it"),
]

SCENARIO = """
import pytest

from hotremove.scenario import MIB, REMOVED

@pytest.mark.hotremove
def test_dimm_leaves(movable_dimm, rdma):
    region = rdma.pin(movable_dimm.map(32 * MIB))
    movable_dimm.eject().expect(REMOVED)
    region.expect_migrated_from(movable_dimm.frames)
"""
SPEC = """
%global debug_package %{{nil}}
%global __os_install_post %{{nil}}
Name: kernel
Version: {version}
Release: 1.lab
Summary: a kernel
License: GPL-2.0-only
%description
%package core
Summary: image
%description core
%package modules
Summary: modules
%description modules
%install
cp -a {staged}/. %{{buildroot}}
%files core
/lib/modules/{release}/vmlinuz
/lib/modules/{release}/config
%files modules
/lib/modules/{release}/kernel
/lib/modules/{release}/modules.*
"""
# Equal contents give equal packages, so that the cache keeps what they become.
SETTINGS = (
    "_buildhost lab",
    "_build_id_links none",
    "use_source_date_epoch_as_buildtime 1",
    "clamp_mtime_to_source_date_epoch 1",
)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """kernel-core and kernel-modules of Debian's 6.1, with the modules that guests load."""
    folder = tmp_path_factory.mktemp("rpm")
    kernel = spec.resolve("debian:bookworm", Cache.default())
    stage(kernel, folder / "staged")
    text = SPEC.format(version=kernel.label, release=kernel.release, staged=folder / "staged")
    (folder / "kernel.spec").write_text(text)
    defined = [f"--define={setting}" for setting in (f"_topdir {folder}", *SETTINGS)]
    done = subprocess.run(
        ["rpmbuild", "-bb", "--quiet", *defined, str(folder / "kernel.spec")],
        env={**os.environ, "SOURCE_DATE_EPOCH": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return {path.name.split("-")[1]: path for path in folder.rglob("*.rpm")}


def stage(kernel: Kernel, staged: Path) -> None:
    """The files as distributions with RPM packages lay them out."""
    assert kernel.modules
    tree = staged / "lib/modules" / kernel.release
    tree.mkdir(parents=True)
    shutil.copyfile(kernel.image, tree / "vmlinuz")
    config = kernel.image.with_name(f"config-{kernel.release}")
    shutil.copyfile(config, tree / "config")
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copyfile(kernel.modules / name, tree / name)
    for file in ModuleIndex.read(kernel.modules).closure(BOOT_MODULES).files:
        (tree / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(kernel.modules / file, tree / file)


def test_a_scenario_runs_on_packages_of_rpmbuild(
    packages: dict[str, Path], laboratory: Laboratory
) -> None:
    given = f"rpm:{packages['core']},{packages['modules']}"
    run = laboratory.run(SCENARIO, "--hotremove-kernel", given)
    assert run.wait() == 0, run.text
    assert [row.verdict for row in run.rows] == ["pass"]
    assert "= 6.1." in run.text
    assert "-1.lab" in run.text


def test_packages_of_rpmbuild_that_are_damaged_are_refused(
    packages: dict[str, Path], tmp_path: Path
) -> None:
    whole = packages["core"].read_bytes()
    header = whole.index(b"\x8e\xad\xe8\x01", 200)
    for place in (header + 40, header + 2000, len(whole) // 3, len(whole) - 100):
        data = bytearray(whole)
        data[place] ^= 1
        path = tmp_path / "core.rpm"
        path.write_bytes(data)
        with pytest.raises(UsageProblem, match="damaged or cut short"):
            spec.resolve(f"rpm:{path},{packages['modules']}", Cache(tmp_path / "cache"))
    with pytest.raises(UsageProblem, match="holds no kernel image"):
        spec.resolve(f"rpm:{packages['modules']}", Cache(tmp_path / "cache"))
