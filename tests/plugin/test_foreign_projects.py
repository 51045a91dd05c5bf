# SPDX-License-Identifier: Apache-2.0
"""Other people's projects, in whose environment the plugin is: they run as without it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
OURS = ("-p", "hotremove.plugin")
CONFTEST = """
import sys
import pytest

NAMES = ("kernel", "guest", "record", "rounds", "traffic", "fault", "pinner", "farm", "topology")

def pytest_addoption(parser):
    for name in ("kernel", "seed", "device", "rounds", "gdb", "has", "artifacts"):
        parser.addoption(f"--{name}", default="none")

def pytest_configure(config):
    for name in ("pins", "wide", "scenario", "topology", "dimm", "notices"):
        config.addinivalue_line("markers", f"{name}: a marker of this project")

def fixture(name):
    return pytest.fixture(name=name)(lambda: name)

own = {name: fixture(name) for name in NAMES}
globals().update({f"own_{name}": made for name, made in own.items()})

def pytest_sessionfinish(session):
    option = session.config.option
    if not hasattr(session.config, "workerinput"):
        with open("facts.txt", "w") as file:
            print("dist", getattr(option, "dist", ""), len(getattr(option, "tx", ())), file=file)
            print("modules", *sorted({name.partition(".")[0] for name in sys.modules}), file=file)
"""
TESTS = """
import pytest

tries = []

@pytest.mark.pins
@pytest.mark.wide
@pytest.mark.topology(3, 4)
def test_names(kernel, guest, record, rounds, traffic, fault, pinner, farm, topology):
    given = kernel, guest, record, rounds, traffic, fault, pinner, farm, topology
    assert given == ("kernel", "guest", "record", "rounds", "traffic", "fault", "pinner", "farm",
        "topology")

@pytest.mark.parametrize("kernel", ["a", "b"])
def test_direct(kernel):
    assert kernel in "ab"

def test_options(pytestconfig):
    assert pytestconfig.getoption("seed") == "7"
    assert pytestconfig.getoption("device") == "tty"
    assert pytestconfig.getoption("kernel") == "none"

def test_fails():
    assert 1 == 2

def test_flaky():
    tries.append(1)
    assert len(tries) > 1

@pytest.mark.parametrize("number", range(5))
def test_many(number):
    pass

def test_skips():
    pytest.skip("for a reason")
"""
# A module whose own hook parametrises what the plugin has a fixture for, and nobody else has.
GENERATED = """
def pytest_generate_tests(metafunc):
    for name in ("kernel", "pin_cost", "pinner"):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, ["x", "y"])

def test_generated(kernel, pin_cost):
    assert kernel in "xy"
    assert pin_cost in "xy"

def test_pinner(pinner):
    assert pinner in "xy"
"""
BENCHMARK = """
def test_speed(benchmark, rounds):
    benchmark.pedantic(len, args=("abc",), rounds=2)
"""
STANDARD = {*sys.stdlib_module_names, "hotremove", "pytest", "_pytest", "pluggy"}
# Each plugin beside us, by the name that it is registered under.
NEIGHBOURS = {
    "none": (),
    "pytest-randomly": ("-p", "randomly", "--randomly-seed=5"),
    "pytest-timeout": ("-p", "timeout", "--timeout=60"),
    "pytest-rerunfailures": ("-p", "rerunfailures", "--reruns=1"),
    "pytest-xdist": ("-p", "xdist", "-n", "2"),
    "pytest-xdist, worker by worker": ("-p", "xdist", "-n", "3", "--dist=loadscope"),
    "pytest-benchmark": ("-p", "benchmark"),
    "all": (
        *("-p", "randomly", "--randomly-seed=5", "-p", "timeout", "--timeout=60"),
        *("-p", "rerunfailures", "--reruns=1", "-p", "xdist", "-n", "2"),
    ),
}


class Project:
    """A project in a folder of its own, without this plugin and with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache"
        (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
        (folder / "conftest.py").write_text(CONFTEST)
        (folder / "scenarios").mkdir()
        self.write("test_own", TESTS)

    def write(self, name: str, text: str) -> None:
        (self.folder / f"scenarios/{name}.py").write_text(text)

    def run(self, *words: str) -> tuple[int, list[str], str, set[str]]:
        """The exit code, what became of each test, how tests were shared out, what is imported."""
        own = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(PLUGINS)}
        own |= {"HOTREMOVE_CACHE": str(self.cache), "PYTEST_ADDOPTS": ""}
        command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *words]
        command += ["--seed=7", "--device", "tty", "scenarios"]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, **own},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert "hotremove" not in done.stdout + done.stderr, done.stdout + done.stderr
        facts = self.folder / "facts.txt"
        assert facts.exists(), done.stdout + done.stderr
        shared, modules = facts.read_text().splitlines()
        facts.unlink()
        told = re.findall(r"^.*scenarios/\S+::.*$", done.stdout, re.MULTILINE)
        outcomes = [re.sub(r"\[gw\d\]|\[ *\d+%\]", "", line).strip() for line in told]
        return done.returncode, outcomes, shared, set(modules.split()[1:])


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.parametrize("words", NEIGHBOURS.values(), ids=NEIGHBOURS)
def test_a_project_with_the_same_names_runs_as_without_us(project: Project, words) -> None:
    if "benchmark" in words:
        project.write("test_speed", BENCHMARK)
    code, outcomes, shared, modules = project.run(*words)
    assert code == 1
    assert len(outcomes) > 10
    with_us = project.run(*words, *OURS)
    if "-n" in words:  # workers end when they do
        assert (with_us[0], sorted(with_us[1]), with_us[2]) == (code, sorted(outcomes), shared)
    else:
        assert with_us[:3] == (code, outcomes, shared)
    assert with_us[3] - modules - STANDARD == set()
    assert not project.cache.exists()


def test_what_a_modules_own_hook_parametrises_is_its_own(project: Project) -> None:
    """Without us the names are known by that hook alone, so there is nothing to compare with."""
    (project.folder / "conftest.py").write_text(
        CONFTEST.replace('NAMES = ("kernel", ', 'NAMES = ("no_kernel", ').replace('"pinner", ', "")
    )
    project.write("test_own", GENERATED)
    code, outcomes, *_ = project.run()
    assert (code, len(outcomes)) == (0, 6)
    assert project.run(*OURS)[:2] == (code, outcomes)
    assert not project.cache.exists()


@pytest.mark.parametrize("dist", [(), ("--dist=worksteal",), ("--maxprocesses=1",)])
def test_the_number_of_its_workers_is_its_own(project: Project, dist) -> None:
    """Even below a folder called `scenarios`."""
    project.write("test_own", "def test_it():\n    pass\n")
    words = ("-p", "xdist", "-n", "auto", *dist)
    shared = project.run(*words)[2]
    assert project.run(*words, *OURS)[2] == shared


def test_a_worker_that_dies_is_no_result_of_ours(project: Project) -> None:
    project.write("test_own", "import os\n\ndef test_it():\n    os._exit(1)\n")
    words = ("-p", "xdist", "-n", "2", *OURS)
    assert project.run(*words)[0] == 1  # nor is there a table of kernels


def test_a_project_may_have_both_its_own_kernel_and_our_guests(
    run, pytester: pytest.Pytester, kernel_image: Path
) -> None:
    pytester.makepyfile(
        """
        import pytest

        class TestTheirs:
            @pytest.fixture
            def kernel(self):
                return "popcorn"

            def test_kernel(self, kernel):
                assert kernel == "popcorn"

        def test_ours(guest):
            pass

        def test_kernel_alone(kernel):
            pass
        """
    )
    done = run("--collect-only", "-q", f"--hotremove-kernel=image:{kernel_image}")
    assert done.tests == [
        "TestTheirs::test_kernel",
        "test_ours[6.1.99]",
        "test_kernel_alone[6.1.99]",
    ]
