# SPDX-License-Identifier: Apache-2.0
"""Kernels in folders and on the host; what a kernel can be tested for; the commands."""

from __future__ import annotations

import argparse
import os
import re
import stat
from dataclasses import replace
from pathlib import Path

import kernel_samples as samples
import pytest

from hotremove.architecture.x86_64 import X86_64
from hotremove.bootimage.toolchain import find_obstacle
from hotremove.cache import Cache
from hotremove.cli import kernels, needs
from hotremove.errors import Blocked, CapabilityAbsent, UsageProblem
from hotremove.kernels import capabilities, spec
from hotremove.kernels.formats import ikconfig
from hotremove.kernels.kernel import HeadersSource, Kernel
from hotremove.kernels.sources import host
from hotremove.kernels.sourcetree import SourceTree
from hotremove.pins.registry import pin_paths


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setenv("HOTREMOVE_CACHE", str(tmp_path / "cache"))
    return Cache.default()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return samples.write_tree(tmp_path / "kernel", samples.kernel_files())


def snapshot(root: Path) -> dict[Path, int]:
    return {path: path.lstat().st_mtime_ns for path in root.rglob("*")}


def test_modules_without_indexes_are_copied(folder: Path, cache: Cache) -> None:
    before = snapshot(folder)
    kernel = spec.resolve(f"dir:{folder}", cache)
    assert snapshot(folder) == before
    assert kernel.modules is not None
    assert kernel.modules.is_relative_to(cache.root)
    assert "dummy.ko" in (kernel.modules / "modules.dep").read_text()
    assert (kernel.release, kernel.version) == (samples.RELEASE, "6.1.99-1")
    assert kernel.config["NUMA"] == "y"


def test_indexed_modules_are_used_where_they_lie(folder: Path, cache: Cache) -> None:
    modules = folder / "lib/modules" / samples.RELEASE
    (modules / "modules.dep").write_text("kernel/drivers/net/dummy.ko:\n")
    (modules / "build").symlink_to(folder)
    kernel = spec.resolve(f"dir:{folder}", cache)
    assert kernel.modules == modules
    assert kernel.headers is not None
    assert kernel.headers.directory == folder.resolve()
    assert not cache.root.exists()


def test_a_changed_module_is_noticed(folder: Path, cache: Cache) -> None:
    first = spec.resolve(f"dir:{folder}", cache)
    changed = samples.module("renamed")
    path = folder / "lib/modules" / samples.RELEASE / "kernel/drivers/net/dummy.ko"
    before = path.stat()
    path.write_bytes(changed)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert spec.resolve(f"dir:{folder}", cache).modules != first.modules


def test_a_link_to_the_image_is_no_second_kernel(folder: Path, cache: Cache) -> None:
    (folder / "vmlinuz").symlink_to(f"boot/vmlinuz-{samples.RELEASE}")
    assert spec.resolve(f"dir:{folder}", cache).release == samples.RELEASE


def test_all_built_in(tmp_path: Path, cache: Cache) -> None:
    (tmp_path / "bzImage").write_bytes(samples.image_with_config("CONFIG_NUMA=y\n"))
    kernel = spec.resolve(f"dir:{tmp_path}", cache)
    assert kernel.modules is None
    assert kernel.config == {"NUMA": "y"}


def test_modules_that_are_missing(tmp_path: Path, cache: Cache) -> None:
    (tmp_path / "bzImage").write_bytes(samples.image_with_config())
    with pytest.raises(UsageProblem, match=f"add lib/modules/{samples.RELEASE}"):
        spec.resolve(f"dir:{tmp_path}", cache)


def test_a_folder_with_two_kernels(folder: Path, cache: Cache) -> None:
    (folder / "bzImage").write_bytes(samples.image("5.10.1"))
    with pytest.raises(UsageProblem, match=r"several kernels \(5.10.1, 6.1.0-9-amd64\)"):
        spec.resolve(f"dir:{folder}", cache)


def test_a_folder_with_modules_of_another_kernel(folder: Path, cache: Cache) -> None:
    (folder / "boot" / f"vmlinuz-{samples.RELEASE}").write_bytes(samples.image("5.10.1"))
    with pytest.raises(UsageProblem, match=r"a kernel 5.10.1 and modules of 6.1.0-9-amd64"):
        spec.resolve(f"dir:{folder}", cache)


def test_a_folder_with_damaged_files(folder: Path, cache: Cache) -> None:
    image = folder / "boot" / f"vmlinuz-{samples.RELEASE}"
    whole = samples.image(payload=bytes(4096))
    image.write_bytes(whole[:-4000])
    with pytest.raises(UsageProblem, match="is cut short"):
        spec.resolve(f"dir:{folder}", cache)
    image.write_bytes(whole)
    (folder / "lib/modules" / samples.RELEASE / "kernel/drivers/net/dummy.ko").write_bytes(b"not")
    with pytest.raises(UsageProblem, match=r"depmod cannot read lib/modules/.*dummy\.ko"):
        spec.resolve(f"dir:{folder}", cache)
    assert not list((cache.root / "kernels").glob("*"))


def test_an_empty_folder_and_none(tmp_path: Path, cache: Cache) -> None:
    with pytest.raises(UsageProblem, match="holds no vmlinuz, bzImage or Image"):
        spec.resolve(f"dir:{tmp_path}", cache)
    with pytest.raises(UsageProblem, match="there is no folder"):
        spec.resolve(f"dir:{tmp_path}/nonesuch", cache)


def test_the_host(folder: Path, cache: Cache) -> None:
    kernel = host.kernel_of(samples.RELEASE, folder, cache)
    assert (kernel.spec, kernel.release) == ("host", samples.RELEASE)
    with pytest.raises(
        UsageProblem, match=r"running kernel 9\.9 has no image at /boot/vmlinuz-9\.9"
    ):
        host.kernel_of("9.9", folder, cache)


def test_a_host_that_needs_a_reboot(folder: Path, cache: Cache) -> None:
    (folder / "boot/vmlinuz-6.1.0-8-amd64").write_bytes(samples.image())
    with pytest.raises(UsageProblem, match="reboot"):
        host.kernel_of("6.1.0-8-amd64", folder, cache)


@pytest.mark.skipif(os.geteuid() == 0, reason="this account reads everything")
def test_an_image_only_root_may_read(folder: Path, cache: Cache) -> None:
    (folder / "boot" / f"vmlinuz-{samples.RELEASE}").chmod(0)
    with pytest.raises(UsageProblem, match="not readable"):
        host.kernel_of(samples.RELEASE, folder, cache)


def test_the_configuration_inside_an_image(tmp_path: Path) -> None:
    path = tmp_path / "bzImage"
    path.write_bytes(samples.image_with_config())
    assert ikconfig.configuration(path) == samples.CONFIG
    path.write_bytes(samples.image(payload=b"\x1f\x8bdamaged"))
    assert ikconfig.configuration(path) is None
    path.write_bytes(samples.image())
    assert ikconfig.configuration(path) is None


def kernel_with(**options: str) -> Kernel:
    return Kernel("x", "6.1", "6.1", Path("/x"), None, options)


def capability(name: str) -> capabilities.Capability:
    return next(found for found in capabilities.CAPABILITIES if found.name == name)


def test_what_a_kernel_lacks() -> None:
    kernel = kernel_with(INFINIBAND="m", INFINIBAND_USER_ACCESS="m", DUMMY="y")
    assert capabilities.missing(kernel, capability("rdma pins")) == ("RDMA_RXE",)
    assert (
        capabilities.missing(
            kernel_with(MODULES="y", KPROBES="y"), capability("faults by a module")
        )
        == ()
    )
    assert capabilities.missing(kernel_with(), capability("rdma pins")) == ()


def test_a_set_up_that_fails_proves_nothing() -> None:
    udmabuf = capability("udmabuf pins")
    off = capabilities.refusal({"NUMA": "y"}, udmabuf, "no /dev/udmabuf")
    assert (type(off), str(off)) == (
        CapabilityAbsent,
        "no udmabuf pins: CONFIG_UDMABUF is not set",
    )
    on = capabilities.refusal({"UDMABUF": "m"}, udmabuf, "no /dev/udmabuf")
    assert (type(on), str(on)) == (
        Blocked,
        "udmabuf pins: no /dev/udmabuf; the kernel has CONFIG_UDMABUF: look into its log",
    )
    unknown = capabilities.refusal({}, udmabuf, "no /dev/udmabuf")
    assert isinstance(unknown, Blocked)
    assert "give its configuration beside its image" in str(unknown)


def test_either_of_two_options_will_do() -> None:
    either = capabilities.Capability("tricks", ("KPROBES|LIVEPATCH",))
    capabilities.require({"LIVEPATCH": "y"}, either)
    with pytest.raises(CapabilityAbsent, match="CONFIG_KPROBES or CONFIG_LIVEPATCH is not set"):
        capabilities.require({"NUMA": "y"}, either)


def test_every_option_a_capability_requires_is_shown() -> None:
    shown = {option.name for option in capabilities.OPTIONS}
    required = {n for c in capabilities.CAPABILITIES for r in c.requires for n in r.split("|")}
    assert required <= shown


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    kernels.register(parser.add_subparsers())
    arguments = parser.parse_args(["kernels", *words])
    return int(arguments.func(arguments))


def test_fetch_list_and_inspect(
    folder: Path, cache: Cache, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fetch", f"dir:{folder}") == 0
    assert "6.1.99-1 (6.1.0-9-amd64)" in capsys.readouterr().out
    assert run("list") == 0
    assert samples.RELEASE in capsys.readouterr().out
    assert run("inspect", f"dir:{folder}") == 0
    told = capsys.readouterr().out
    assert "needs CONFIG_VFIO, CONFIG_VFIO_PCI, CONFIG_VFIO_IOMMU_TYPE1" in told
    assert re.search(r"^ *2 vfio DMA mapping held +no: needs .*CONFIG_VFIO", told, re.MULTILINE)


def test_which_scenarios_a_kernel_can_run(folder: Path, cache: Cache) -> None:
    required = {n for c in capabilities.CAPABILITIES for r in c.requires for n in r.split("|")}
    whole = {X86_64.option(name): "y" for name in required}
    found = spec.resolve(f"dir:{folder}", cache)
    found = replace(found, source=SourceTree("key", folder, "bookworm", "it"))
    headers = HeadersSource(directory=folder)

    def blocked(without: str, headers: HeadersSource | None = headers) -> dict[str, str]:
        config = {name: value for name, value in whole.items() if name != without}
        kernel = replace(found, config=config, headers=headers)
        obstacle = find_obstacle(kernel, cache)
        wanting = {need.title: need.lacking(kernel, obstacle) for need in needs.needs(kernel)}
        return {title: " ".join(lacking) for title, lacking in wanting.items() if lacking}

    assert blocked("NOTHING") == {}
    everything, removals = blocked("VIRTIO_PCI"), blocked("MEMORY_HOTREMOVE")
    assert len(removals) > 20
    elsewhere = ("29 ", "43 ", "73 ", "76 ")
    assert all(title.startswith(elsewhere) for title in everything.keys() - removals.keys())
    without_rxe = blocked("RDMA_RXE")
    assert without_rxe["1 rxe memory region held"] == "CONFIG_RDMA_RXE"
    assert "4 memory never faulted before the pin [rdma]" in without_rxe
    assert "4 memory never faulted before the pin [vfio]" not in without_rxe
    assert "1 control: nothing pinned" not in without_rxe
    without_rings = blocked("IO_URING")
    assert {"3 io_uring registered buffers held", "15 shared memory [uring]"} <= set(without_rings)
    assert "15 shared memory [rdma]" not in without_rings
    files = {title.split()[0] for title in blocked("EXT4_FS")}
    assert files == {"16", "17", "45", "54", "78", "82"}
    assert any(title.startswith("14 ") for title in blocked("TRANSPARENT_HUGEPAGE"))
    found = replace(found, source=None)
    without_source = blocked("NOTHING")
    assert {title.split()[0] for title in without_source} == {"82"}
    assert set(without_source.values()) == {"its source: it was not built here"}
    without_headers = blocked("NOTHING", None)
    assert without_headers["34 pinned by a module of the kernel [pin_hold]"].startswith(
        "modules: no headers are known for kernel 6.1.0-9-amd64"
    )


def test_each_pin_path_needs_something_or_every_kernel_has_it() -> None:
    assert [name for name, path in pin_paths().items() if not path.capabilities] == ["vmsplice"]
    known = {capability.name for capability in capabilities.CAPABILITIES}
    needed = {*needs._FIXTURES.values(), *needs._ROWS.values()}
    assert {name for names in needed for name in names} <= known


def test_entries_can_be_read_by_others(folder: Path, cache: Cache) -> None:
    kernel = spec.resolve(f"dir:{folder}", cache)
    assert stat.S_IMODE(kernel.image.stat().st_mode) & 0o444 == 0o444
