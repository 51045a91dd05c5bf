# SPDX-License-Identifier: Apache-2.0
"""Kernels in RPM packages and tar archives, in built trees and in single files."""

from __future__ import annotations

import random
import shutil
import subprocess
import tarfile
from pathlib import Path

import kernel_samples as samples
import pytest

from hotremove.cache import Cache
from hotremove.errors import UsageProblem
from hotremove.kernels import spec
from hotremove.kernels.kernel import Kernel

needs_bsdtar = pytest.mark.skipif(not shutil.which("bsdtar"), reason="needs bsdtar")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def refused(text: str, cache: Cache) -> str:
    """The one line that refuses a spec; the cache must be as empty as it was."""
    with pytest.raises(UsageProblem) as raised:
        spec.resolve(text, cache)
    assert "\n" not in str(raised.value)
    assert not list((cache.root / "kernels").glob("*"))
    return str(raised.value)


def assert_whole(kernel: Kernel) -> None:
    assert kernel.release == samples.RELEASE
    assert kernel.modules is not None
    assert "dummy.ko" in (kernel.modules / "modules.dep").read_text()
    assert kernel.config["DUMMY"] == "m"


@needs_bsdtar
def test_an_rpm(tmp_path: Path, cache: Cache) -> None:
    files = samples.kernel_files()
    tree = f"lib/modules/{samples.RELEASE}"
    files[f"{tree}/vmlinuz"] = files.pop(f"boot/vmlinuz-{samples.RELEASE}")
    files[f"{tree}/config"] = files.pop(f"boot/config-{samples.RELEASE}")
    files = {f"./{name}": data for name, data in files.items()}
    path = write(tmp_path / "k.rpm", samples.rpm_bytes(files))
    kernel = spec.resolve(f"rpm:{path}", cache)
    assert_whole(kernel)
    assert kernel.version == "6.1.0-9.el1"


@needs_bsdtar
def test_a_traversing_rpm(tmp_path: Path, cache: Cache) -> None:
    path = write(tmp_path / "k.rpm", samples.rpm_bytes({"./../../escaped": b"!"}))
    assert "unsafe path" in refused(f"rpm:{path}", cache)
    assert not list(tmp_path.rglob("escaped"))


def test_a_foreign_rpm(tmp_path: Path, cache: Cache) -> None:
    path = write(tmp_path / "k.rpm", samples.rpm_bytes({}, "riscv64"))
    assert "is for riscv64; the farm boots x86_64" in refused(f"rpm:{path}", cache)


@pytest.mark.parametrize("size", [0, 50, 100, 120, 200, 300, -400, -1])
def test_a_truncated_rpm(tmp_path: Path, cache: Cache, size: int) -> None:
    whole = samples.rpm_bytes(samples.kernel_files())
    path = write(tmp_path / "k.rpm", whole[:size])
    told = refused(f"rpm:{path}", cache)
    assert "damaged or cut short" in told or "is not an RPM package" in told


def test_no_rpm_at_all(tmp_path: Path, cache: Cache) -> None:
    path = write(tmp_path / "k.rpm", b"hello" * 100)
    assert "is not an RPM package" in refused(f"rpm:{path}", cache)


@needs_bsdtar
@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_a_corrupt_rpm(tmp_path: Path, cache: Cache, share: float) -> None:
    data = bytearray(samples.rpm_bytes(samples.kernel_files()))
    data[int(len(data) * share)] ^= 1
    path = write(tmp_path / "k.rpm", bytes(data))
    assert "k.rpm is damaged or cut short" in refused(f"rpm:{path}", cache)


@needs_bsdtar
def test_rpms_of_two_kernels(tmp_path: Path, cache: Cache) -> None:
    core = {f"./boot/vmlinuz-{samples.RELEASE}": samples.image()}
    modules = {"./lib/modules/5.10.1/kernel/a.ko": samples.module()}
    paths = [
        write(tmp_path / "core.rpm", samples.rpm_bytes(core)),
        write(tmp_path / "modules.rpm", samples.rpm_bytes(modules)),
    ]
    told = refused("rpm:" + ",".join(map(str, paths)), cache)
    assert f"mixes kernels: the image is {samples.RELEASE}, other files are of 5.10.1" in told


@needs_bsdtar
def test_links_in_an_rpm_are_never_made(tmp_path: Path, cache: Cache) -> None:
    link = {f"./lib/modules/{samples.RELEASE}": str(tmp_path).encode()}
    path = write(tmp_path / "k.rpm", samples.rpm_bytes(link, mode=0o120777))
    assert "holds no kernel image" in refused(f"rpm:{path}", cache)


@pytest.mark.parametrize("mode", ["w:", "w:gz", "w:xz", "w:bz2"])
@pytest.mark.parametrize("prefix", ["", "./", "linux-6.1.0/"])
def test_a_tar_archive(tmp_path: Path, cache: Cache, mode: str, prefix: str) -> None:
    files = {prefix + name: data for name, data in samples.kernel_files().items()}
    path = write(tmp_path / "kernel.tar", samples.tar_bytes(files, mode))
    assert_whole(spec.resolve(f"tar:{path}", cache))


@pytest.mark.skipif(not shutil.which("zstd"), reason="needs zstd")
def test_a_zstd_archive(tmp_path: Path, cache: Cache) -> None:
    path = write(tmp_path / "kernel.tar", samples.tar_bytes(samples.kernel_files(), "w:"))
    subprocess.run(["zstd", "-q", str(path)], check=True)
    packed = path.with_name("kernel.tar.zst")
    assert_whole(spec.resolve(f"tar:{packed}", cache))
    cut = write(tmp_path / "cut.tar.zst", packed.read_bytes()[:-40])
    assert "damaged or cut short" in refused(f"tar:{cut}", Cache(tmp_path / "other"))


def test_an_image_and_its_modules(tmp_path: Path, cache: Cache) -> None:
    files = samples.kernel_files()
    image = write(tmp_path / "bzImage", files.pop(f"boot/vmlinuz-{samples.RELEASE}"))
    modules = write(tmp_path / "modules.tar.xz", samples.tar_bytes(files, "w:xz"))
    assert_whole(spec.resolve(f"tar:{image},{modules}", cache))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w:bz2"])
def test_a_truncated_tar(tmp_path: Path, cache: Cache, mode: str, share: float) -> None:
    whole = samples.tar_bytes(samples.kernel_files(), mode)
    path = write(tmp_path / "k.tar", whole[: int(len(whole) * share)])
    assert "damaged or cut short" in refused(f"tar:{path}", cache)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w:bz2"])
def test_a_corrupt_tar(tmp_path: Path, cache: Cache, mode: str, share: float) -> None:
    noise = {
        f"boot/vmlinuz-{samples.RELEASE}": samples.image(payload=random.Random(7).randbytes(99999))
    }
    data = bytearray(samples.tar_bytes(samples.kernel_files() | noise, mode))
    data[int(len(data) * share)] ^= 1
    path = write(tmp_path / "k.tar", bytes(data))
    assert "damaged or cut short" in refused(f"tar:{path}", cache)


def test_links_and_devices_in_a_tar_are_never_made(tmp_path: Path, cache: Cache) -> None:
    link = tarfile.TarInfo(f"lib/modules/{samples.RELEASE}")
    link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "outside")
    hard = tarfile.TarInfo("boot/config")
    hard.type, hard.linkname = tarfile.LNKTYPE, "/etc/passwd"
    device = tarfile.TarInfo("boot/vmlinuz-1")
    device.type = tarfile.CHRTYPE
    path = write(tmp_path / "k.tar", samples.tar_bytes([link, hard, device]))
    assert "holds no kernel image" in refused(f"tar:{path}", cache)
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", "lib/modules/6.1/../../../escaped"])
def test_a_traversing_tar(tmp_path: Path, cache: Cache, name: str) -> None:
    path = write(tmp_path / "k.tar", samples.tar_bytes(samples.kernel_files() | {name: b"!"}))
    assert "unsafe path" in refused(f"tar:{path}", cache)
    assert not list(tmp_path.rglob("escaped"))


def test_a_tar_of_two_kernels(tmp_path: Path, cache: Cache) -> None:
    files = samples.kernel_files() | {"lib/modules/5.10.1/kernel/a.ko": samples.module()}
    path = write(tmp_path / "k.tar", samples.tar_bytes(files))
    assert "mixes kernels" in refused(f"tar:{path}", cache)


def test_no_tar_at_all(tmp_path: Path, cache: Cache) -> None:
    path = write(tmp_path / "k.tar", b"hello" * 200)
    assert "neither a kernel image nor a tar archive" in refused(f"tar:{path}", cache)


MAKEFILE = """\
modules_install:
\ttest $(DEPMOD) = true
\tmkdir -p $(INSTALL_MOD_PATH)/lib/modules/{release}/kernel
\tcp drivers/dummy.ko $(INSTALL_MOD_PATH)/lib/modules/{release}/kernel
\tln -s / $(INSTALL_MOD_PATH)/lib/modules/{release}/build
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    files = {
        "Makefile": MAKEFILE.format(release=samples.RELEASE).encode(),
        ".config": samples.CONFIG.encode(),
        "arch/x86/boot/bzImage": samples.image(),
        "modules.order": b"drivers/dummy.o\n",
        "drivers/dummy.ko": samples.module(),
    }
    return samples.write_tree(tmp_path / "linux", files)


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_a_built_tree(tree: Path, cache: Cache) -> None:
    kernel = spec.resolve(f"tree:{tree}", cache)
    assert_whole(kernel)
    assert kernel.headers is not None
    assert kernel.headers.directory == tree
    assert spec.resolve(f"tree:{tree}", cache).image == kernel.image
    (tree / "drivers/dummy.ko").write_bytes(samples.module("rebuilt"))
    assert spec.resolve(f"tree:{tree}", cache).image != kernel.image


def test_a_tree_that_is_not_built(tree: Path, cache: Cache) -> None:
    (tree / "arch/x86/boot/bzImage").unlink()
    assert "is not built: run make" in refused(f"tree:{tree}", cache)
    (tree / ".config").unlink()
    assert "not a configured kernel tree" in refused(f"tree:{tree}", cache)
    assert "there is no folder" in refused("tree:/nonesuch", cache)


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_a_tree_whose_modules_cannot_be_installed(tree: Path, cache: Cache) -> None:
    (tree / "drivers/dummy.ko").unlink()
    assert "modules_install fails" in refused(f"tree:{tree}", cache)


def test_a_single_image(tmp_path: Path, cache: Cache) -> None:
    path = write(tmp_path / "bzImage", samples.image_with_config("CONFIG_NUMA=y\n"))
    kernel = spec.resolve(f"image:{path}", cache)
    assert (kernel.modules, kernel.config) == (None, {"NUMA": "y"})
    assert "there is no file" in refused("image:/nonesuch", cache)
    assert "not a kernel image" in refused(f"image:{write(tmp_path / 'x', b'x' * 999)}", cache)
