# SPDX-License-Identifier: Apache-2.0
"""Kernels of a second architecture: how they are named, and what their images tell."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import kernel_samples as samples
import pytest

from hotremove.architecture import known
from hotremove.architecture.arm64 import ARM64
from hotremove.architecture.x86_64 import X86_64
from hotremove.bootimage.vmlinux import boot_file
from hotremove.cache import Cache
from hotremove.errors import CapabilityAbsent, HostProblem, UsageProblem
from hotremove.kernels import capabilities, spec, store
from hotremove.kernels.distro.archive import is_image, release_of
from hotremove.kernels.formats import ikconfig, image
from hotremove.kernels.kernel import Kernel
from hotremove.kernels.sources import debian

IMAGE = samples.arm64_image()
FORMS = {"plain": IMAGE, "packed": gzip.compress(IMAGE), "program": samples.zboot(IMAGE)}


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.mark.parametrize("form", FORMS)
def test_an_image_tells_the_same_in_each_form(form: str, tmp_path: Path) -> None:
    facts = image.parse(FORMS[form], form)
    assert (facts.release, facts.version) == (samples.ARM64_RELEASE, "6.1.99-1")
    assert facts.arch is ARM64
    (tmp_path / "Image").write_bytes(FORMS[form])
    assert image.is_image(tmp_path / "Image")
    assert ikconfig.configuration(tmp_path / "Image") == "CONFIG_ARM64=y\n"


@pytest.mark.parametrize("form", FORMS)
def test_a_guest_starts_from_the_plain_one(form: str, tmp_path: Path, cache: Cache) -> None:
    (tmp_path / "vmlinuz").write_bytes(FORMS[form])
    kernel = spec.resolve(f"image:{tmp_path}/vmlinuz", cache)
    assert kernel.arch is ARM64
    assert boot_file(kernel, cache).read_bytes() == IMAGE


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (samples.arm64_image(flags=4), "has pages of 16 KiB; the farm reckons in pages of 4 KiB"),
        (samples.arm64_image(flags=6), "has pages of 64 KiB"),
        (samples.arm64_image(flags=3), "is big-endian"),
        (samples.arm64_image(begin=b"\0\0"), "not what UEFI can start"),
        (IMAGE[:-9], "is cut short"),
        (gzip.compress(IMAGE)[:-20], "cannot be unpacked"),
        (samples.arm64_image("?"), "does not name its release"),
    ],
)
def test_what_no_guest_can_be_made_of_is_told(data: bytes, told: str) -> None:
    with pytest.raises(UsageProblem, match=told):
        image.parse(data, "vmlinuz")


def test_an_archive_of_another_kind_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "x.tar.gz").write_bytes(samples.tar_bytes(samples.kernel_files()))
    assert not image.is_image(tmp_path / "x.tar.gz")


def test_a_folder_with_an_image_and_modules(tmp_path: Path, cache: Cache) -> None:
    release = samples.ARM64_RELEASE
    files = {f"boot/Image-{release}": IMAGE, f"lib/modules/{release}/a.ko": samples.module()}
    kernel = spec.resolve(f"dir:{samples.write_tree(tmp_path / 'k', files)}", cache)
    assert (kernel.release, kernel.arch, kernel.label) == (release, ARM64, "6.1.99-arm64")


def test_packages_of_it(tmp_path: Path, cache: Cache) -> None:
    release = samples.ARM64_RELEASE
    files = {**samples.kernel_files(release), f"boot/vmlinuz-{release}": IMAGE}
    deb = samples.Deb("linux-image-x", files, arch="arm64").build(tmp_path)
    assert spec.resolve(f"deb:{deb}", cache).arch is ARM64
    record = next(store.present(cache))[1]
    assert record.arch == "aarch64"


def test_a_record_of_an_architecture_that_nobody_knows(tmp_path: Path) -> None:
    text = '{"release": "6.1", "version": "6.1", "arch": "vax", "source": "x"}'
    (tmp_path / "kernel.json").write_text(text)
    with pytest.raises(HostProblem, match="unknown architecture 'vax'"):
        store.read_record(tmp_path)


@pytest.mark.parametrize("name", ["arm64", "aarch64"])
def test_a_spec_names_it_last(name: str) -> None:
    request = debian.parse_request(f"trixie/6.12.118-1@{name}")
    assert (request.suite, request.version, request.arch) == ("trixie", "6.12.118-1", ARM64)
    assert request.spec == "debian:trixie/6.12.118-1@arm64"
    assert request.source == "debian:trixie@arm64"
    assert debian.parse_request("trixie@amd64").spec == "debian:trixie"


def test_what_a_spec_may_not_name() -> None:
    with pytest.raises(UsageProblem, match="@vax is no architecture that the farm boots: @amd64"):
        debian.parse_request("trixie@vax")


@pytest.mark.parametrize(
    ("package", "release"),
    [
        ("linux-image-6.12.118+deb13-arm64", "6.12.118+deb13-arm64"),
        ("linux-image-6.12-arm64", None),
        ("linux-image-6.12-rt-arm64", None),
        ("linux-image-6.12.118+deb13-arm64-16k", None),
        ("linux-image-6.12.118+deb13-amd64", None),
    ],
)
def test_which_packages_are_kernels_of_it(package: str, release: str | None) -> None:
    assert release_of({"Package": package}, ARM64) == release
    assert is_image(package, ARM64) == package.endswith("-arm64")


def test_labels_never_hide_which_one_it_is() -> None:
    one = Kernel("x", "6.1.0", "6.1.0", Path("/none"), None)
    other = replace(one, arch=ARM64)
    assert (one.label, other.label) == ("6.1.0", "6.1.0-arm64")
    assert replace(other, name="v6.1").label == "v6.1-arm64"
    assert len({one, other}) == 2


def test_what_it_calls_consoles_and_iommus() -> None:
    vfio = capabilities.find("vfio pins")
    options = dict.fromkeys(("VFIO", "VFIO_PCI", "VFIO_IOMMU_TYPE1", "INTEL_IOMMU"), "y")
    capabilities.require(options | {"X86_64": "y"}, vfio)
    with pytest.raises(CapabilityAbsent, match="CONFIG_ARM_SMMU_V3 is not set"):
        capabilities.require(options | {"ARM64": "y"}, vfio)
    capabilities.require(options | {"ARM64": "y", "ARM_SMMU_V3": "y"}, vfio)


def test_dimms_are_absent_where_nothing_handles_them() -> None:
    options = {"ARM64": "y", "MEMORY_HOTREMOVE": "y", "NUMA": "y"}
    with pytest.raises(CapabilityAbsent, match="CONFIG_ACPI_HOTPLUG_MEMORY is not set"):
        capabilities.require(options, capabilities.find("DIMM plug and eject"))


@pytest.mark.parametrize("arch", known.SUPPORTED)
def test_every_name_leads_back(arch: known.Architecture) -> None:
    assert known.by_debian(arch.debian) is known.by_rpm(arch.rpm) is known.by_uname(arch.uname)
    assert known.of_config({arch.symbol: "y"}) is arch
    assert known.split(f"x{known.suffix(arch)}") == ("x", arch)


def test_a_tree_says_what_it_is_configured_for(tmp_path: Path, cache: Cache) -> None:
    files = {"Makefile": b"", ".config": b"CONFIG_ARM64=y\n", X86_64.image_file: samples.image()}
    tree = samples.write_tree(tmp_path / "linux", files)
    with pytest.raises(UsageProblem, match="ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- Image mod"):
        spec.resolve(f"tree:{tree}", cache)
    samples.write_tree(tree, {ARM64.image_file: IMAGE})
    assert spec.resolve(f"tree:{tree}", cache).release == samples.ARM64_RELEASE
