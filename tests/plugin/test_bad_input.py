# SPDX-License-Identifier: Apache-2.0
"""Wrong input and machines that lack something: one line, exit code 4, nothing left behind."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import kernel_samples as samples
import pytest

pytest_plugins = ["pytester"]


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("bookworm", "unknown kernel spec 'bookworm': write one of debian:SUITE"),
        ("debian:", "incomplete kernel spec 'debian:': write debian:SUITE[/VERSION]"),
        ("debian:No Such", "names no suite: write debian:bookworm"),
        ("debian:bookworm/", "names no suite"),
        ("deb:/nowhere/linux.deb", "deb: there is no file /nowhere/linux.deb"),
        ("deb:,", "deb: names no file"),
        ("dir:/nowhere", "/nowhere"),
        ("tree:/nowhere", "/nowhere"),
        ("image:/nowhere/bzImage", "there is no file /nowhere/bzImage"),
        ("host:here", "incomplete kernel spec 'host:here': write host"),
    ],
)
def test_a_wrong_kernel_spec(run, spec: str, told: str) -> None:
    assert told in run("--kernel", spec).complaint


def test_a_package_that_is_none(run, tmp_path: Path) -> None:
    (tmp_path / "linux.deb").write_bytes(b"not a package")
    assert (
        "linux.deb is damaged or cut short"
        in run("--kernel", f"deb:{tmp_path}/linux.deb").complaint
    )


def test_a_package_cut_short_leaves_no_entry(run, tmp_path: Path) -> None:
    whole = samples.Deb("linux-image", samples.kernel_files()).build(tmp_path)
    cut = tmp_path / "cut.deb"
    cut.write_bytes(whole.read_bytes()[:-200])
    assert "cut.deb is damaged or cut short" in run("--kernel", f"deb:{cut}").complaint
    assert run("--collect-only", "--kernel", f"deb:{whole}").code == 0
    assert len(list((tmp_path / "cache/kernels").iterdir())) == 1


def test_a_foreign_package(run, tmp_path: Path) -> None:
    deb = samples.deb_of_tar(tmp_path / "arm.deb", samples.tar_bytes({}), arch="riscv64")
    assert "arm.deb is for riscv64" in run("--kernel", f"deb:{deb}").complaint


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--removal-deadline", "0"), "a removal deadline of 0 s makes no sense"),
        (("--removal-deadline", "-3"), "a removal deadline of -3 s makes no sense"),
        (("--removal-deadline", "nan"), "a removal deadline of nan s makes no sense"),
        (("-o", "hotremove_removal_deadline=soon"), "hotremove_removal_deadline = soon"),
        (("--cache-gib", "-1"), "a cache of -1 GiB makes no sense"),
        (("--cache-gib", "nan"), "a cache of nan GiB makes no sense"),
        (("-o", "hotremove_cache_gib=all"), "hotremove_cache_gib = all: not a number"),
        (("--seed", "-1"), "--hotremove-seed -1: a seed is not negative"),
        (("--rounds", "0"), "hotremove_rounds = 0: a number from 1 to 100000"),
        (("-o", "hotremove_rounds=many"), "hotremove_rounds = many: a number from 1"),
        (("--changelog", "/nowhere/changelog"), "changelog /nowhere/changelog: No such file"),
        (("--has", "d1e153fea2a8", "--lacks", "d1e153fea2a8"), "said to be there (has) and not"),
        (("-o", "hotremove_accel=xen"), "hotremove_accel = xen: one of auto, kvm, tcg"),
    ],
)
def test_a_wrong_setting(run, words: tuple[str, ...], told: str) -> None:
    assert told in run(*words).complaint


def test_an_unknown_topology(run, kernel_image: Path) -> None:
    done = run("--kernel", f"image:{kernel_image}", "--topology", "torus")
    assert re.search(r"no topology .torus.: known are .*movable-node", done.complaint)


@pytest.mark.parametrize(
    ("marker", "told"),
    [("pins('dma')", "mark.pins('dma'): give rdma, vfio"), ("pins", "mark.pins(nothing): give")],
)
def test_a_wrong_pin_path(
    run, pytester: pytest.Pytester, kernel_image: Path, marker: str, told: str
) -> None:
    pytester.makepyfile(
        f"import pytest\n@pytest.mark.{marker}\ndef test_it(guest, pinner):\n    pass\n"
    )
    assert told in run("--kernel", f"image:{kernel_image}").complaint


def test_no_emulator(run, kernel_image: Path, without: Callable[[str], None]) -> None:
    without("qemu-system-x86_64")
    told = run("--kernel", f"image:{kernel_image}").complaint
    assert "qemu-system-x86_64 is missing: install the package qemu-system-x86" in told


def test_no_compiler(run, kernel_image: Path, without: Callable[[str], None]) -> None:
    without("gcc")
    told = run("--kernel", f"image:{kernel_image}").complaint
    assert "cannot be compiled: install the package gcc" in told


def test_a_cache_below_a_file(run, kernel_image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTREMOVE_CACHE", str(kernel_image / "cache"))
    told = run("--kernel", f"image:{kernel_image}").complaint
    assert "cannot be used: Not a directory: set HOTREMOVE_CACHE to another folder" in told


@pytest.mark.skipif(os.geteuid() == 0, reason="this account may write anywhere")
def test_a_cache_that_may_not_be_written(
    run, kernel_image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    monkeypatch.setenv("HOTREMOVE_CACHE", str(tmp_path / "closed"))
    told = run("--kernel", f"image:{kernel_image}").complaint
    assert "not permitted while writing to the cache" in told


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_record_that_finds_no_space(
    run, pytester: pytest.Pytester, kernel_image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_config: pytest.Config) -> None:
        Path("/dev/full").write_text("record")

    monkeypatch.setattr("hotremove.session.farm.Farm.prepare", lambda farm: None)
    monkeypatch.setattr("hotremove.plugin.reporting.header", lambda farm: [])
    monkeypatch.setattr("hotremove.plugin.reporting.write", full)
    pytester.makepyfile("def test_it(kernel):\n    pass\n")
    done = run("--kernel", f"image:{kernel_image}")
    assert done.code == 4
    told = "hotremove: no disk space left while writing the record of the run: free some"
    assert done.err.startswith(told)


def test_artifacts_that_cannot_be_written(run, kernel_image: Path) -> None:
    done = run("--kernel", f"image:{kernel_image}", "--artifacts", kernel_image / "evidence")
    assert "--hotremove-artifacts" in done.complaint


def test_nobodys_run_is_stopped_by_what_it_does_not_use(run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_plain():\n    pass\n")
    assert run("--kernel", "no such").code == 0


@pytest.fixture
def without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`without(command)`: the PATH as it is, but for one command."""

    def hide(command: str) -> None:
        shadow = tmp_path / "bin"
        shadow.mkdir()
        for folder in os.environ["PATH"].split(os.pathsep):
            for path in Path(folder).glob("*"):
                link = shadow / path.name
                if path.name != command and not link.is_symlink():
                    link.symlink_to(path)
        monkeypatch.setenv("PATH", str(shadow))
        assert shutil.which(command) is None

    return hide
