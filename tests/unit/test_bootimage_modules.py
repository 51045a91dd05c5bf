# SPDX-License-Identifier: Apache-2.0
import gzip
import lzma

import pytest
import zstandard

from hotremove.bootimage.modules import ModuleIndex, lay_out, module_name, plain_module
from hotremove.errors import UsageProblem


@pytest.fixture
def directory(tmp_path):
    """A module directory as depmod leaves it."""
    (tmp_path / "modules.dep").write_text(
        "kernel/drivers/rxe.ko.xz: kernel/net/tunnel.ko.xz kernel/core.ko.xz\n"
        "kernel/net/tunnel.ko.xz: kernel/core.ko.xz\n"
        "kernel/core.ko.xz:\n"
        "kernel/crc32-generic.ko:\n"
        "kernel/a.ko: kernel/b.ko\n"
        "kernel/b.ko: kernel/a.ko\n"
    )
    (tmp_path / "modules.softdep").write_text(
        "# a comment\nsoftdep rxe pre: crc32_generic absent_thing post: b\nsoftdep core\n"
    )
    (tmp_path / "modules.builtin").write_text("kernel/drivers/virtio/virtio-pci.ko\n")
    return tmp_path


def test_names():
    assert module_name("kernel/drivers/vfio/vfio-pci.ko.xz") == "vfio_pci"
    assert module_name("memory-notifier-error-inject") == "memory_notifier_error_inject"


def test_closure_puts_what_is_needed_first(directory):
    closure = ModuleIndex.read(directory).closure(["rxe", "virtio_pci", "nowhere"])
    assert closure.names == ("crc32_generic", "core", "tunnel", "rxe")
    assert closure.files[-1] == "kernel/drivers/rxe.ko.xz"
    assert closure.absent == ("nowhere",)


def test_what_comes_first_stands_last_for_busybox_and_soft_needs_are_needs(directory):
    lines = ModuleIndex.read(directory).with_soft_needs().splitlines()
    needs = dict(line.split(":") for line in lines)
    rxe = next(file for file in needs if "rxe" in file)
    assert [module_name(file) for file in needs[rxe].split()] == ["tunnel", "core", "crc32_generic"]
    assert needs["kernel/a.ko"] == " kernel/b.ko"


def test_a_cycle_ends(directory):
    assert set(ModuleIndex.read(directory).closure(["a"]).names) == {"a", "b"}


def test_no_index_is_told(tmp_path):
    with pytest.raises(UsageProblem, match="depmod"):
        ModuleIndex.read(tmp_path)


@pytest.mark.parametrize(("suffix", "pack"), [(".xz", lzma.compress), (".gz", gzip.compress)])
def test_compressed_modules(tmp_path, suffix, pack):
    packed = tmp_path / f"x.ko{suffix}"
    packed.write_bytes(pack(b"\x7fELF..."))
    assert plain_module(packed) == b"\x7fELF..."
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(UsageProblem, match="damaged"):
        plain_module(packed)


def test_zstd_modules(tmp_path):
    packed = tmp_path / "x.ko.zst"
    whole = zstandard.compress(b"\x7fELF...")
    packed.write_bytes(whole)
    assert plain_module(packed) == b"\x7fELF..."
    packed.write_bytes(whole + zstandard.compress(b"and more"))
    assert plain_module(packed) == b"\x7fELF...and more"
    for damaged in (b"not zstd", whole[:-1], whole + b"what else", b""):
        packed.write_bytes(damaged)
        with pytest.raises(UsageProblem, match="damaged"):
            plain_module(packed)


def test_a_missing_module_file_is_told(directory, tmp_path):
    closure = ModuleIndex.read(directory).closure(["rxe"])
    with pytest.raises(UsageProblem, match="damaged"):
        lay_out(directory, closure, (), "1.2.3", tmp_path / "root")
