# SPDX-License-Identifier: Apache-2.0
"""What is missing is named as this machine's distribution calls it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from hotremove.architecture.known import DEFAULT, SUPPORTED
from hotremove.bootimage import compiler
from hotremove.cli import doctor
from hotremove.errors import HostProblem
from hotremove.hosttools import packages, tool
from hotremove.hosttools.distribution import Distribution, recognise
from hotremove.kernels.distro import mirrors

ROOT = Path(__file__).resolve().parents[2]
USES = {"base", "run", "run/amd64", "run/arm64", "cross/arm64", "test"}
FEDORA = Distribution("Fedora Linux 43", "fedora")
LEAP = Distribution("openSUSE Leap 16.0", "opensuse")
ARCH = Distribution("Arch Linux", "")
# Calls that name a package of Debian's: tool("git", "git"), advice("apt").
NAMED = re.compile(
    r"""tool\(\s*"[^"]+", "([a-z0-9-]+)"|\b(?:advice|command)\(["']([a-z0-9-]+)["']\)"""
)


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Callable[[Distribution], None]:
    """Be on a machine of another distribution."""

    def pretend(machine: Distribution) -> None:
        monkeypatch.setattr(packages, "this_machine", lambda: machine)
        monkeypatch.setattr(mirrors, "this_machine", lambda: machine)

    return pretend


@pytest.mark.parametrize(
    ("release", "family"),
    [
        ({"ID": "debian"}, "debian"),
        ({"ID": "raspbian", "ID_LIKE": "debian"}, "debian"),
        ({"ID": "ubuntu", "ID_LIKE": "debian"}, "ubuntu"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, "ubuntu"),
        ({"ID": "fedora"}, "fedora"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, ""),
        ({"ID": "opensuse-tumbleweed", "ID_LIKE": "opensuse suse"}, "opensuse"),
        ({"ID": "sles", "ID_LIKE": "suse"}, ""),
        ({"ID": "arch"}, ""),
        ({}, ""),
    ],
)
def test_families(release: dict[str, str], family: str) -> None:
    assert recognise(release).family == family


def test_every_row_of_the_table_has_a_use_and_a_name_for_each_family() -> None:
    lines = [line.split() for line in packages.TABLE.read_text().splitlines()]
    rows = [words for words in lines if words and words[0][0] != "#"]
    assert {row[0] for row in rows} == USES
    assert {len(row) for row in rows} == {1 + len(packages.COLUMNS)}
    # One that has two uses has the same names for both.
    assert len({tuple(row[1:]) for row in rows}) == len({row[1] for row in rows})
    assert len({(row[0], row[1]) for row in rows}) == len(rows)


def test_each_package_that_the_farm_names_is_in_the_table() -> None:
    sources = (ROOT / "plugins/hotremove").rglob("*.py")
    found = (match for path in sources for match in NAMED.findall(path.read_text()))
    named = {one or other for one, other in found}
    for tools, _, archives in map(compiler._needs, SUPPORTED):
        named |= {*tools.values(), *archives.values()}
    assert {"git", "libnl-3-dev", "apt", "kmod", "busybox-static"} <= named
    assert named <= set(packages._table())


def test_names_on_debian(on: Callable[[Distribution], None]) -> None:
    on(Distribution("Debian GNU/Linux 13 (trixie)", "debian"))
    assert packages.advice("cpio") == "install the package cpio"
    assert packages.advice("binutils", "make") == "install the packages binutils make"
    assert packages.command("cpio") == "apt-get install cpio"


def test_names_elsewhere(on: Callable[[Distribution], None]) -> None:
    on(FEDORA)
    assert packages.command("libarchive-tools") == "dnf install bsdtar"
    assert packages.advice("gpg", "gpg-agent") == "install the package gnupg2"
    on(LEAP)
    assert packages.command("libc6-dev") == "zypper install glibc-devel-static"
    assert packages.command("mmdebstrap") == (
        "openSUSE Leap 16.0 has no package for mmdebstrap; "
        "a container has it all: docs/installing.md"
    )
    on(ARCH)
    assert packages.command("kmod") == "install the package that Debian calls kmod"


def test_a_missing_program_is_named_so(on: Callable[[Distribution], None]) -> None:
    on(LEAP)
    with pytest.raises(HostProblem, match=r"no-such is missing: install the package qemu-x86$"):
        tool("no-such", "qemu-system-x86")
    found = doctor._tool("no-such", "uidmap", needed=True)
    assert (found.ok, found.told) == (False, "missing: zypper install shadow")


def test_missing_libraries_are_named_so(
    on: Callable[[Distribution], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    on(FEDORA)
    monkeypatch.setattr(compiler, "_has_archive", lambda cc, file: False)
    with pytest.raises(HostProblem) as told:
        compiler.require_packages(DEFAULT)
    assert str(told.value).startswith(
        "the guest's programs cannot be compiled: install the package glibc-static; "
        "Fedora Linux 43 has no package for libibverbs-dev libnl-3-dev libnl-route-3-dev; "
    )


def test_without_apt_debian_kernels_are_told_what_they_need(
    on: Callable[[Distribution], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(FEDORA)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostProblem, match=r"^debian: kernels need apt: install the package apt$"):
        mirrors.find()


def test_on_ubuntu_a_mirror_has_to_be_named(
    on: Callable[[Distribution], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ubuntu's own archive is none of Debian's, by whatever suites and components it has."""
    on(Distribution("Ubuntu 24.04.3 LTS", "ubuntu"))
    (tmp_path / "ubuntu.sources").write_text(
        "Types: deb\nURIs: http://archive.example/ubuntu\n"
        "Suites: noble noble-updates noble-backports noble-security\n"
        "Components: main universe\n"
    )
    settings = tmp_path / "apt.conf"
    settings.write_text(
        f'Dir::Etc::sourceparts "/dev/null";\nDir::Etc::sourcelist "{tmp_path}/ubuntu.sources";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(settings))
    for name in (mirrors.MIRROR, mirrors.SECURITY_MIRROR):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(HostProblem) as told:
        mirrors.find()
    assert str(told.value) == (
        "apt on this machine (Ubuntu 24.04.3 LTS) knows no Debian mirror: set "
        "HOTREMOVE_MIRROR=URI, and HOTREMOVE_SECURITY_MIRROR=URI for security updates"
    )
    monkeypatch.setenv(mirrors.MIRROR, "http://mirror.example/debian/")
    found = mirrors.find()
    assert (found.main, found.security) == ("http://mirror.example/debian", None)


def test_the_oldest_python_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    oldest = project["requires-python"].removeprefix(">=")
    lab = (ROOT / "lab").read_text()
    assert f"({oldest.replace('.', ', ')})" in lab
    assert f"too old: {oldest} is needed" in lab
