# SPDX-License-Identifier: Apache-2.0
"""Kernels in .deb files: both layouts, and all that can be wrong with a package."""

from __future__ import annotations

import tarfile
from pathlib import Path

import kernel_samples as samples
import pytest
from kernel_samples import Deb

from hotremove.cache import Cache
from hotremove.errors import HostProblem, UsageProblem
from hotremove.kernels import spec


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def entries(cache: Cache) -> list[str]:
    kinds = cache.root / "kernels"
    return sorted(path.name for path in kinds.iterdir()) if kinds.is_dir() else []


def refused(text: str, cache: Cache) -> str:
    """The one line that refuses a spec; the cache must be as empty as it was."""
    with pytest.raises(UsageProblem) as raised:
        spec.resolve(text, cache)
    assert "\n" not in str(raised.value)
    assert entries(cache) == []
    return str(raised.value)


def test_a_package_becomes_a_kernel(tmp_path: Path, cache: Cache) -> None:
    deb = Deb("linux-image-x", samples.kernel_files()).build(tmp_path)
    kernel = spec.resolve(f"deb:{deb}", cache)
    assert (kernel.release, kernel.version, kernel.label) == (samples.RELEASE, "6.1.99-1", "6.1.99")
    assert kernel.config["DUMMY"] == "m"
    assert kernel.image.read_bytes() == samples.image()
    assert kernel.modules is not None
    assert "dummy.ko" in (kernel.modules / "modules.dep").read_text()
    again = spec.resolve(f"deb:{deb}", cache)
    assert again == kernel
    assert len(entries(cache)) == 1


def test_the_split_layout(tmp_path: Path, cache: Cache) -> None:
    files = samples.kernel_files("7.2.1-amd64", "usr/lib/modules")
    tree = "usr/lib/modules/7.2.1-amd64"
    modules = {name: data for name, data in files.items() if name.startswith(tree)}
    debs = [
        Deb("linux-image", {"usr/share/doc/x": b""}, "7.2.1-1").build(tmp_path),
        Deb("linux-binary", {f"{tree}/vmlinuz": samples.image("7.2.1-amd64")}).build(tmp_path),
        Deb("linux-base", {f"{tree}/config": samples.CONFIG.encode()}).build(tmp_path),
        Deb("linux-modules", modules).build(tmp_path),
    ]
    kernel = spec.resolve("deb:" + ",".join(map(str, debs)), cache)
    assert (kernel.release, kernel.version) == ("7.2.1-amd64", "7.2.1-1")
    assert kernel.modules is not None
    assert kernel.config["NUMA"] == "y"
    assert "no modules for 7.2.1-amd64" in refused(
        f"deb:{debs[1]},{debs[2]}", Cache(tmp_path / "c")
    )


def test_a_missing_file(cache: Cache) -> None:
    assert "there is no file /nonesuch.deb" in refused("deb:/nonesuch.deb", cache)


def test_no_package_at_all(tmp_path: Path, cache: Cache) -> None:
    path = tmp_path / "x.deb"
    path.write_bytes(b"hello")
    assert "x.deb is damaged or cut short" in refused(f"deb:{path}", cache)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_package(tmp_path: Path, cache: Cache, share: float) -> None:
    deb = Deb("linux-image-x", samples.kernel_files()).build(tmp_path)
    data = deb.read_bytes()
    deb.write_bytes(data[: int(len(data) * share)])
    assert "damaged or cut short" in refused(f"deb:{deb}", cache)


def test_a_corrupt_package(tmp_path: Path, cache: Cache) -> None:
    data = bytearray(samples.tar_bytes(samples.kernel_files()))
    data[40:80] = bytes(40)
    deb = samples.deb_of_tar(tmp_path / "x.deb", bytes(data))
    assert "damaged or cut short" in refused(f"deb:{deb}", cache)


def test_a_foreign_architecture(tmp_path: Path, cache: Cache) -> None:
    deb = Deb("linux-image-x", samples.kernel_files(), arch="riscv64").build(tmp_path)
    assert "is for riscv64; the farm boots x86_64" in refused(f"deb:{deb}", cache)


def test_a_foreign_image_in_a_native_package(tmp_path: Path, cache: Cache) -> None:
    files = samples.kernel_files()
    files[f"boot/vmlinuz-{samples.RELEASE}"] = bytes(0x38) + b"\x05\x23\0\0" + bytes(0x400)
    deb = Deb("linux-image-x", files).build(tmp_path)
    assert "kernel for riscv" in refused(f"deb:{deb}", cache)


@pytest.mark.parametrize("name", ["../../../escaped", "/tmp/escaped", "lib/modules/../../escaped"])
def test_a_traversing_package(tmp_path: Path, cache: Cache, name: str) -> None:
    deb = samples.deb_of_tar(tmp_path / "x.deb", samples.tar_bytes({name: b"!"}))
    assert f"unsafe path '{name}'" in refused(f"deb:{deb}", cache)
    assert not list(tmp_path.rglob("escaped"))


def test_links_and_devices_are_never_made(tmp_path: Path, cache: Cache) -> None:
    link = tarfile.TarInfo(f"lib/modules/{samples.RELEASE}")
    link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "outside")
    device = tarfile.TarInfo("boot/vmlinuz-1")
    device.type = tarfile.CHRTYPE
    data = samples.tar_bytes([link, device])
    refused(f"deb:{samples.deb_of_tar(tmp_path / 'x.deb', data)}", cache)
    assert not (tmp_path / "outside").exists()


def test_mixed_kernels(tmp_path: Path, cache: Cache) -> None:
    image = {f"boot/vmlinuz-{samples.RELEASE}": samples.image()}
    modules = {"lib/modules/5.10.1/kernel/dummy.ko": samples.module()}
    debs = [Deb("linux-image", image).build(tmp_path), Deb("linux-mod", modules).build(tmp_path)]
    told = refused("deb:" + ",".join(map(str, debs)), cache)
    assert f"mixes kernels: the image is {samples.RELEASE}, other files are of 5.10.1" in told


def test_two_images(tmp_path: Path, cache: Cache) -> None:
    files = {"boot/vmlinuz-1": samples.image("6.1"), "boot/vmlinuz-2": samples.image("6.2")}
    assert "several kernels" in refused(f"deb:{Deb('x', files).build(tmp_path)}", cache)


def test_no_image(tmp_path: Path, cache: Cache) -> None:
    deb = Deb("linux-image-x", {"usr/share/doc/x": b""}).build(tmp_path)
    assert "holds no kernel image" in refused(f"deb:{deb}", cache)


def test_damaged_modules(tmp_path: Path, cache: Cache) -> None:
    files = samples.kernel_files()
    files[f"lib/modules/{samples.RELEASE}/kernel/drivers/net/dummy.ko"] = b"not ELF"
    told = refused(f"deb:{Deb('x', files).build(tmp_path)}", cache)
    assert f"depmod cannot read lib/modules/{samples.RELEASE}/kernel/drivers/net/dummy.ko" in told


def test_a_refused_package_leaves_the_cache_good(tmp_path: Path, cache: Cache) -> None:
    refused(f"deb:{Deb('bad', {'x': b''}).build(tmp_path)}", cache)
    good = Deb("good", samples.kernel_files()).build(tmp_path)
    assert spec.resolve(f"deb:{good}", cache).release == samples.RELEASE


def test_a_file_that_is_also_a_directory(tmp_path: Path, cache: Cache) -> None:
    tree = f"lib/modules/{samples.RELEASE}/kernel"
    data = samples.tar_bytes({tree: b"", f"{tree}/a.ko": b""})
    deb = samples.deb_of_tar(tmp_path / "x.deb", data)
    assert "cannot be a file here" in refused(f"deb:{deb}", cache)


def test_headers_that_stand_alone_come_along(tmp_path: Path, cache: Cache) -> None:
    tree = f"usr/src/linux-headers-{samples.RELEASE}"
    headers = {f"{tree}/Makefile": b"", f"{tree}/include/linux/module.h": b""}
    debs = [
        Deb("linux-image", samples.kernel_files()).build(tmp_path),
        Deb("linux-headers", headers).build(tmp_path),
    ]
    kernel = spec.resolve("deb:" + ",".join(map(str, debs)), cache)
    assert kernel.headers is not None
    assert kernel.headers.directory is not None
    assert (kernel.headers.directory / "Makefile").is_file()


def test_headers_that_lean_on_others_don_t(tmp_path: Path, cache: Cache) -> None:
    headers = {f"usr/src/linux-headers-{samples.RELEASE}/Makefile": b"include /usr/src/x"}
    deb = Deb("linux-image", samples.kernel_files() | headers).build(tmp_path)
    assert spec.resolve(f"deb:{deb}", cache).headers is None


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    deb = Deb("linux-image", samples.kernel_files()).build(tmp_path)
    with pytest.raises(HostProblem, match="cannot be used: Not a directory: set HOTREMOVE_CACHE"):
        spec.resolve(f"deb:{deb}", Cache(tmp_path / "file" / "cache"))
