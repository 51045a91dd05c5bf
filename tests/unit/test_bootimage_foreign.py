# SPDX-License-Identifier: Apache-2.0
"""What comes from Debian's packages for guests of another processor, through the real apt."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import kernel_samples as samples
import pytest
from kernel_samples import Deb, Mirror

from hotremove.architecture.arm64 import ARM64
from hotremove.architecture.x86_64 import X86_64
from hotremove.bootimage import firmware, foreign
from hotremove.bootimage.foreign_headers import find_foreign_headers, needs
from hotremove.bootimage.initramfs import find_applets, find_busybox
from hotremove.bootimage.toolchain import find_obstacle
from hotremove.cache import Cache
from hotremove.errors import Blocked, HostProblem
from hotremove.kernels import spec
from hotremove.kernels.sources import debian

RELEASE = samples.ARM64_RELEASE
HEADERS = f"linux-headers-{RELEASE}"
COMMON = "linux-headers-6.1.0-9-common"
DEPENDS = f"{COMMON} (= 6.1.99-1), linux-kbuild-6.1 (>= 6.1.99-1), gcc-12"
AAVMF = "usr/share/AAVMF/AAVMF_CODE.no-secboot.fd"


def kernel_debs() -> tuple[Deb, ...]:
    files = samples.kernel_files(RELEASE)
    files[f"boot/vmlinuz-{RELEASE}"] = samples.arm64_image()
    of_it = {f"usr/src/{HEADERS}/Makefile": b"", f"usr/src/{HEADERS}/.config": b""}
    return (
        Deb(f"linux-image-{RELEASE}", files, arch="arm64"),
        Deb("linux-image-arm64", {}, arch="arm64", depends=f"linux-image-{RELEASE} (= 6.1.99-1)"),
        Deb(HEADERS, of_it, arch="arm64", depends=DEPENDS),
        Deb(COMMON, {f"usr/src/{COMMON}/include/x.h": b"x"}, arch="all"),
    )


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    mirror = Mirror(tmp_path_factory.mktemp("mirror"))
    mirror.publish("bookworm", *kernel_debs(), arch="arm64")
    builds = ("2022.11-6", b"old"), ("2025.02-8", b"new")
    mirror.publish(
        "trixie", *(Deb("qemu-efi-aarch64", {AAVMF: d}, v, arch="all") for v, d in builds)
    )
    yield mirror
    mirror.close()


@pytest.fixture
def cache(tmp_path: Path, archive: Mirror, monkeypatch: pytest.MonkeyPatch) -> Cache:
    return samples.use(archive, tmp_path, monkeypatch, security=True)


def test_the_newest_kernel_of_a_suite_for_an_architecture(cache: Cache) -> None:
    kernel = spec.resolve("debian:bookworm@arm64", cache)
    assert (kernel.spec, kernel.release) == ("debian:bookworm@arm64", RELEASE)
    assert kernel.arch is ARM64
    assert (cache.root / "apt/bookworm@arm64").is_dir()
    pattern = spec.expand("debian:bookworm/*@arm64", cache)
    assert pattern
    assert [one.spec for one in pattern.kernels] == ["debian:bookworm/6.1.99-1@arm64"]
    assert pattern.kernels[0].label == kernel.label
    assert [one.release for one in debian.list_suite("bookworm@arm64", cache)] == [RELEASE]


def test_headers_are_unpacked_where_they_look_for_each_other(cache: Cache) -> None:
    kernel = spec.resolve("debian:bookworm@arm64", cache)
    assert kernel.headers
    assert find_obstacle(kernel, cache) is None
    found = find_foreign_headers(kernel, kernel.headers, cache)
    assert found.build == Path("/usr/src", HEADERS)
    assert set(found.folders) == {f"/usr/src/{HEADERS}", f"/usr/src/{COMMON}"}
    scripts = found.folders[f"/usr/src/{HEADERS}"] / "scripts"
    assert scripts.readlink() == Path("/usr/lib/linux-kbuild-6.1/scripts")
    assert found.needs == ("linux-kbuild-6.1", "gcc-12-aarch64-linux-gnu")


def test_headers_that_name_no_compiler_are_blocked() -> None:
    with pytest.raises(Blocked, match="names no linux-kbuild, or no compiler: bash"):
        needs({"Package": "x", "Depends": "bash"}, ARM64)


def test_an_old_firmware_is_not_taken(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    assert firmware.find_firmware(X86_64.machine, cache) is None
    for installed in ("", "2022.11-6+deb12u2"):
        monkeypatch.setattr(firmware, "_installed_version", lambda _, told=installed: told)
        found = firmware.find_firmware(ARM64.machine, cache)
        assert found
        assert found.read_bytes() == b"new"
    assert found.is_relative_to(cache.root)


def test_a_suite_that_has_no_firmware_names_the_package(cache: Cache, archive: Mirror) -> None:
    archive.publish("trixie", Deb("qemu-efi-aarch64", {AAVMF: b"old"}, "2022.11-6", arch="all"))
    with pytest.raises(HostProblem, match=r"or install qemu-efi-aarch64 2025\.02 or later"):
        firmware.find_firmware(ARM64.machine, cache)


def test_libraries_that_no_suite_has_are_named(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign, "_suite", lambda: "bookworm")
    with pytest.raises(HostProblem, match="no busybox-static for arm64"):
        foreign.find_foreign(ARM64, cache)


def test_applets_are_found_in_the_program(cache: Cache) -> None:
    busybox = find_busybox(X86_64, cache)
    listed = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
    assert sorted(find_applets(busybox.read_bytes())) == sorted(listed.stdout.split())
    with pytest.raises(HostProblem, match="names of its applets"):
        find_applets(b"nothing")


@pytest.mark.parametrize("before", [b"\0", b"\xae "], ids=["debian12", "debian13"])
def test_names_of_applets_whatever_stands_before_them(before: bytes) -> None:
    program = b"code" + before + b"[\0[[\0acpid\0zcat\0\0more"
    assert find_applets(program) == ("[", "[[", "acpid", "zcat")
