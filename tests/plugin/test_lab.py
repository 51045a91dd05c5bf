# SPDX-License-Identifier: Apache-2.0
"""`./lab` on machines of every kind: the tools it calls are stand-ins that note their words."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TABLE = "plugins/hotremove/hosttools/packages.txt"
UBUNTU = 'ID=ubuntu\nID_LIKE=debian\nPRETTY_NAME="Ubuntu 24.04.3 LTS"\n'
FEDORA = 'ID=fedora\nPRETTY_NAME="Fedora Linux 43 (Server Edition)"\n'
LEAP = 'ID="opensuse-leap"\nID_LIKE="suse opensuse"\nPRETTY_NAME="openSUSE Leap 16.0"\n'
ROCKY = 'ID="rocky"\nID_LIKE="rhel centos fedora"\nPRETTY_NAME="Rocky Linux 10.0"\n'
PYTHON = """\
case "$*" in
"-m pytest"*) exit ${PYTEST_CODE:-0} ;;
"-m pip install"*) exit ${PIP_CODE:-0} ;;
esac
"""


@dataclass(frozen=True)
class Machine:
    """A checkout with a `lab`, and stand-ins first on the PATH."""

    checkout: Path

    @property
    def log(self) -> Path:
        return self.checkout / "calls"

    @property
    def release(self) -> Path:
        return self.checkout / "os-release"

    def stub(self, name: str, script: str = "", folder: str = "bin") -> None:
        path = self.checkout / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>{self.log}\n{script}\n')
        path.chmod(0o755)

    def lab(self, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        self.log.write_text("")
        path = os.pathsep.join((str(self.checkout / "bin"), "/usr/bin", "/bin"))
        return subprocess.run(
            ["./lab", *words],
            cwd=self.checkout,
            env={"PATH": path, "HOTREMOVE_OS_RELEASE": str(self.release), **settings},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def calls(self, name: str) -> list[str]:
        """The words of each call of a stand-in in the last run."""
        lines = self.log.read_text().splitlines()
        return [line.removeprefix(f"{name} ") for line in lines if line.startswith(f"{name} ")]

    def lacks(self, *packages: str) -> None:
        wanted = "|".join(f'*" {package}"' for package in packages) or "none"
        self.stub("dpkg-query", f'case "$*" in {wanted}) exit 1 ;; esac\nprintf installed')


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """All is there, and the user is not root."""
    (tmp_path / TABLE).parent.mkdir(parents=True)
    for name in ("lab", "pyproject.toml", "tox.ini", TABLE):
        shutil.copy(ROOT / name, tmp_path / name)
    made = Machine(tmp_path)
    made.lacks()
    made.release.write_text("ID=debian\n")
    made.stub("dpkg", "echo amd64")
    made.stub("rpm", "exit 1")
    made.stub("id", "echo 1000")
    made.stub("sudo", "exit 1")
    made.stub("apt-get")
    made.stub("getent")
    made.stub("useradd")
    made.stub("groupadd")
    made.stub("python", PYTHON, ".venv/bin")
    made.stub("check", "exit ${CHECK_CODE:-0}", ".ci")
    return made


def test_without_a_word_it_says_how_to_use_it(machine: Machine) -> None:
    done = machine.lab()
    assert (done.returncode, done.stdout) == (4, "")
    assert "./lab hotremove [PYTEST WORDS...]" in done.stderr
    assert machine.lab("--help").returncode == 0
    assert machine.lab("tset").returncode == 4
    assert machine.calls("python") == []


def test_words_and_exit_code_are_pytests(machine: Machine) -> None:
    done = machine.lab("hotremove", "--kernel", "debian:bullseye", "-k", "a b", PYTEST_CODE="1")
    assert done.returncode == 1
    run = "-m pytest -c tox.ini -p hotremove.plugin.short_options -p no:hypothesispytest"
    run += " -n auto -m hotremove --kernel debian:bullseye -k a b"
    assert machine.calls("python")[-1] == run


def test_the_tests_are_those_that_do_not_take_long(machine: Machine) -> None:
    machine.lab("test", "-x")
    run = "-m pytest -c tox.ini -p hotremove.plugin.short_options -n auto"
    run += " -o testpaths=tests -m not nightly -x"
    assert machine.calls("python")[-1] == run


def test_python_packages_are_installed_once(machine: Machine) -> None:
    first = machine.lab("hotremove")
    assert "installing Python packages" in first.stderr
    assert "--editable .[reports]" in machine.calls("python")[-2]
    assert any("pip install" in call for call in machine.calls("python"))
    assert machine.lab("hotremove").stderr == ""
    assert [call.split()[1] for call in machine.calls("python")] == ["pytest"]


def test_the_tests_packages_hold_those_of_the_project(machine: Machine) -> None:
    machine.lab("hotremove")
    assert "installing Python packages" in machine.lab("test").stderr
    assert "--editable .[test]" in machine.calls("python")[-2]
    assert machine.lab("hotremove").stderr == ""


def test_the_tests_need_more_debian_packages(machine: Machine) -> None:
    machine.lacks("git")
    assert machine.lab("hotremove").returncode == 0
    assert "may not install them: git\n" in machine.lab("test").stderr


def test_checks_get_their_words_and_their_tools(machine: Machine) -> None:
    machine.lacks("git")  # which only tests need
    done = machine.lab("check", "types", "kmods", CHECK_CODE="1")
    assert (done.returncode, machine.calls("check")) == (1, ["types kmods"])
    assert machine.calls("python")[-1].endswith("--editable .[reports] --group lint --group types")
    machine.lab("check")
    assert (machine.calls("check"), machine.calls("python")) == ([""], [])


@pytest.mark.parametrize("other", ["check", "test"])
def test_the_checks_tools_are_none_of_the_tests(machine: Machine, other: str) -> None:
    machine.lab(other)
    assert machine.lab("hotremove").stderr == ""
    one = {"check": "test", "test": "check"}[other]
    assert "installing Python packages" in machine.lab(one).stderr


def test_ci_checks_the_sources_and_ends_with_the_tests() -> None:
    commands = (ROOT / ".ci/run").read_text().splitlines()[-1]
    assert commands.endswith("&& ./lab check && exec ./lab test")


def test_python_packages_are_installed_again_for_another_project_file(machine: Machine) -> None:
    machine.lab("hotremove")
    with (machine.checkout / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    assert "installing Python packages" in machine.lab("hotremove").stderr


def test_a_failed_installation_is_tried_again(machine: Machine) -> None:
    done = machine.lab("hotremove", PIP_CODE="1")
    assert done.returncode == 4
    assert done.stderr.endswith("lab: the Python packages cannot be installed, as told above\n")
    assert machine.lab("hotremove").returncode == 0


def test_who_may_not_install_is_told_what_to(machine: Machine) -> None:
    machine.lacks("cpio", "zstd")
    done = machine.lab("hotremove")
    assert done.returncode == 4
    assert done.stderr == (
        "lab: these Debian packages are missing, and this user may not install them: cpio zstd\n"
        "lab: as root: apt-get update && apt-get install --no-install-recommends cpio zstd\n"
    )
    assert machine.calls("apt-get") + machine.calls("python") == []


@pytest.mark.parametrize("way", ["root", "sudo"])
def test_what_is_missing_is_installed(machine: Machine, way: str) -> None:
    machine.lacks("cpio", "zstd")
    if way == "root":
        machine.stub("id", "echo 0")
    else:
        machine.stub("sudo", 'shift; exec "$@"')
    assert machine.lab("hotremove").returncode == 0
    update, install = machine.calls("apt-get")
    assert update.endswith(" update")
    assert install.endswith(" install --yes --no-install-recommends cpio zstd")


def test_what_apt_says_is_told_when_it_fails(machine: Machine) -> None:
    machine.lacks("cpio")
    machine.stub("id", "echo 0")
    machine.stub("apt-get", "echo 'E: no network'; exit 100")
    done = machine.lab("hotremove")
    assert done.returncode == 4
    assert done.stderr.endswith("E: no network\nlab: apt-get update failed, as told above\n")


def test_root_gets_the_account_that_libvirt_wants(machine: Machine) -> None:
    machine.stub("id", "echo 0")
    machine.stub("getent", "exit 2")
    assert "making the system account libvirt-qemu" in machine.lab("hotremove").stderr
    (words,) = machine.calls("useradd")
    assert words.startswith("--system --gid libvirt-qemu ")
    assert words.endswith(" libvirt-qemu")


def test_others_need_no_account(machine: Machine) -> None:
    machine.stub("getent", "exit 2")
    machine.lab("hotremove")
    assert machine.calls("useradd") == []


def test_an_environment_that_cannot_be_written(machine: Machine) -> None:
    done = machine.lab("hotremove", HOTREMOVE_VENV="/proc/nowhere")
    assert done.returncode == 4
    told = "lab: /proc/nowhere cannot be written: set HOTREMOVE_VENV to a folder that can\n"
    assert done.stderr == told


def test_it_can_be_called_from_elsewhere(machine: Machine, tmp_path: Path) -> None:
    path = os.pathsep.join((str(machine.checkout / "bin"), "/usr/bin", "/bin"))
    lab = machine.checkout / "lab"
    assert subprocess.run([lab, "run", "true"], cwd="/", env={"PATH": path}).returncode == 0


def test_ubuntu_gets_packages_by_its_own_names(machine: Machine) -> None:
    machine.release.write_text(UBUNTU)
    machine.lacks("chromium-browser", "chromium-chromedriver", "cpio")
    machine.stub("id", "echo 0")
    machine.stub("getent", "exit 2")
    assert machine.lab("test").returncode == 0
    install = machine.calls("apt-get")[1]
    assert install.endswith(" cpio chromium-browser chromium-chromedriver")
    assert machine.calls("groupadd") == ["--system kvm", "--system libvirt-qemu"]


@pytest.mark.parametrize(
    ("release", "command", "lacking"),
    [
        (FEDORA, "dnf install apt dpkg util-linux binutils qemu-system-x86 ", " mmdebstrap, as"),
        (LEAP, "zypper install --no-recommends dpkg util-linux binutils qemu-x86 ", " apt libnl-3"),
    ],
)
def test_others_are_told_their_own_names(
    machine: Machine, release: str, command: str, lacking: str
) -> None:
    machine.release.write_text(release)
    done = machine.lab("hotremove")
    assert done.returncode == 4
    has_none, container, install = done.stderr.splitlines()
    assert lacking in has_none
    assert "docs/installing.md" in container
    assert install.startswith(f"lab: the others that are missing, as root: {command}")
    assert machine.calls("python") + machine.calls("apt-get") == []


def test_what_is_installed_is_not_asked_for(machine: Machine) -> None:
    machine.release.write_text(FEDORA)
    machine.stub("rpm", 'case "$*" in *" cpio" | *" bsdtar") exit 1 ;; esac')
    assert machine.lab("hotremove").stderr.endswith(" as root: dnf install cpio bsdtar\n")
    machine.stub("rpm")
    assert machine.lab("hotremove").returncode == 0
    assert "--query --whatprovides glibc-static" in machine.calls("rpm")
    assert machine.calls("useradd") == []


def test_where_no_names_are_known_it_says_what_it_takes_and_goes_on(machine: Machine) -> None:
    machine.release.write_text(ROCKY)
    machine.lacks("cpio")
    done = machine.lab("hotremove")
    assert done.returncode == 0
    assert "no names of packages are known for Rocky Linux 10.0; docs/installing.md" in done.stderr
    assert "what these Debian packages hold is needed:" in done.stderr
    assert machine.calls("apt-get") == []


def test_an_arm64_machine_gets_its_own_emulator(machine: Machine) -> None:
    machine.lacks("qemu-system-x86", "qemu-system-arm")
    machine.stub("dpkg", "echo arm64")
    assert machine.lab("hotremove").stderr.endswith(" qemu-system-arm\n")
    machine.stub("dpkg", "echo amd64")
    assert machine.lab("hotremove").stderr.endswith(" qemu-system-x86\n")


def test_an_old_python_is_told(machine: Machine) -> None:
    lab = machine.checkout / "lab"
    lab.write_text(lab.read_text().replace("/usr/bin/python3", str(machine.checkout / "old")))
    machine.stub("old", '[ "$1" = -c ] && exit 1; echo Python 3.10.12', ".")
    machine.stub("python", "exit 1", ".venv/bin")
    done = machine.lab("hotremove")
    assert done.returncode == 4
    assert "lab: Python 3.10.12 is too old: 3.11 is needed" in done.stderr


@pytest.mark.parametrize("word", ["debian:trixie@arm64", "debian:trixie/6.12.118@aarch64"])
def test_what_arm64_takes_is_asked_for_where_such_a_kernel_is_named(
    machine: Machine, word: str
) -> None:
    machine.lacks("qemu-system-arm", "gcc-aarch64-linux-gnu")
    assert machine.lab("hotremove", "--kernel", "debian:trixie").returncode == 0
    done = machine.lab("hotremove", "--kernel", "debian:trixie", "--kernel", word)
    assert done.returncode == 4
    assert "install --no-install-recommends qemu-system-arm gcc-aarch64-linux-gnu\n" in done.stderr
    assert machine.lab("run", "hotremove", "kernels", "fetch", word).returncode == 4
