# SPDX-License-Identifier: Apache-2.0
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from hotremove.bootimage import compiler, initramfs
from hotremove.bootimage.initramfs import BootImage, build_image
from hotremove.cache import Cache
from hotremove.errors import Blocked, CapabilityAbsent, HostProblem, UsageProblem
from hotremove.kernels.capabilities import find
from hotremove.kernels.kernel import Kernel

BUILTIN = Kernel("x", "6.1.0", "6.1.0", Path("/none"), None)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return Cache(tmp_path_factory.mktemp("cache"))


def listing(image):
    command = ["cpio", "-itv", "--quiet", "-F", image]
    return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()


def names(image):
    return {line.split(" -> ")[0].rsplit(" ", 1)[-1] for line in listing(image)}


def test_image_without_modules(cache):
    image = build_image(BUILTIN, cache)
    expected = {"init", "bin/busybox", "bin/agent", "bin/holder", "bin/pin_cost", "etc/inittab"}
    assert expected <= names(image.initramfs)
    assert (image.modules, image.absent) == ((), ())
    assert all(line.split()[2:4] == ["root", "root"] for line in listing(image.initramfs))


def test_equal_parts_give_the_same_image(cache, tmp_path):
    first = build_image(BUILTIN, cache)
    assert build_image(BUILTIN, cache) == first
    elsewhere = build_image(BUILTIN, Cache(tmp_path / "cache"))
    assert elsewhere.key == first.key
    assert elsewhere.initramfs.read_bytes() == first.initramfs.read_bytes()


def test_what_goes_in_changes_the_key(cache, tmp_path):
    module = tmp_path / "pin_hold.ko"
    module.write_bytes(b"one")
    keys = {build_image(BUILTIN, cache).key}
    keys.add(build_image(replace(BUILTIN, release="6.1.1"), cache).key)
    parts = initramfs._parts(BUILTIN, cache, (module,))
    keys.add(parts.key())
    module.write_bytes(b"two")
    keys.add(parts.key())
    assert len(keys) == 4


def kernel_with_modules(folder):
    """A module tree of empty relocatable files, indexed by depmod."""
    tree = folder / "lib/modules/6.1.0"
    (tree / "kernel").mkdir(parents=True)
    source = folder / "x.c"
    source.write_text("int x;\n")
    for name in ("virtio-console", "dummy"):
        subprocess.run(["gcc", "-c", "-o", tree / "kernel" / f"{name}.ko", source], check=True)
    environment = {**os.environ, "PATH": "/usr/sbin:/sbin:" + os.environ["PATH"]}
    subprocess.run(["depmod", "-b", folder, "6.1.0"], check=True, env=environment)
    return replace(BUILTIN, modules=tree)


def test_modules(cache, tmp_path):
    kernel = kernel_with_modules(tmp_path)
    extra = tmp_path / "pin_hold.ko"
    shutil.copy(kernel.modules / "kernel/dummy.ko", extra)
    image = build_image(kernel, cache, [extra])
    assert image.modules == ("virtio_console", "dummy")
    assert "rdma_rxe" in image.absent
    assert "ext4" in image.absent
    present = names(image.initramfs)
    assert "lib/modules/6.1.0/kernel/virtio-console.ko" in present
    assert "lib/modules/6.1.0/extra/pin_hold.ko" in present
    assert "lib/modules/6.1.0/modules.dep" in present


def image_of(config, *absent):
    return BootImage(replace(BUILTIN, config=config), Path("/none"), "key", (), absent)


FILES = find("ext4 files")
EXT4 = {"EXT4_FS": "m", "BLK_DEV_LOOP": "y"}


def test_a_capability_is_absent_by_the_kernels_own_word_alone():
    image_of(EXT4).require(FILES)
    image_of({}).require(FILES)
    with pytest.raises(CapabilityAbsent, match=r"^no ext4 files: CONFIG_EXT4_FS is not set$"):
        image_of({"BLK_DEV_LOOP": "y"}, "ext4").require(FILES)
    with pytest.raises(CapabilityAbsent, match="CONFIG_BLK_DEV_LOOP is not set"):
        image_of({}, "ext4").require(FILES, {"EXT4_FS": "m"})


def test_a_module_that_is_not_among_the_kernels_files_blocks():
    with pytest.raises(Blocked, match=r"files hold no module ext4, which its conf.*: give all$"):
        image_of(EXT4, "ext4").require(FILES)
    with pytest.raises(Blocked, match=r"hold no module loop, ext4; whether it has CONFIG_EXT4_FS"):
        image_of({}, "ext4", "loop").require(FILES)


def test_a_damaged_module_leaves_no_image(cache, tmp_path):
    kernel = kernel_with_modules(tmp_path)
    (kernel.modules / "kernel/dummy.ko").rename(kernel.modules / "kernel/dummy.ko.xz")
    dependencies = kernel.modules / "modules.dep"
    dependencies.write_text(dependencies.read_text().replace("dummy.ko", "dummy.ko.xz"))
    with pytest.raises(UsageProblem, match=r"dummy\.ko\.xz is damaged"):
        build_image(kernel, cache)
    assert not list((cache.root / "images").glob(".*"))


def test_missing_tools_are_named(cache, tmp_path, monkeypatch):
    (tmp_path / "gcc").symlink_to(shutil.which("gcc"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostProblem, match="install the packages binutils make"):
        build_image(BUILTIN, cache)


def test_missing_libraries_are_named(cache, monkeypatch):
    monkeypatch.setattr(compiler, "_LIBRARIES", {"libnothing.a": "libnothing-dev"})
    with pytest.raises(HostProblem, match="libnothing-dev"):
        build_image(BUILTIN, cache)


def test_busybox_must_be_static(cache, tmp_path, monkeypatch):
    (tmp_path / "busybox").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(HostProblem, match="busybox-static"):
        build_image(BUILTIN, cache)
