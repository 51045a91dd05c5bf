# SPDX-License-Identifier: Apache-2.0
"""Runs with workers, as far as they go without a guest: wrong input, how many workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotremove import cgroups
from hotremove.resources import source_folder

pytest_plugins = ["pytester"]

SUITE = source_folder("scenarios")
TWO_KERNELS = ("--hotremove-kernel=debian:trixie", "--hotremove-kernel=debian:bookworm")

OF_SEVERAL_SIZES = """
import pytest

def test_usual(guest): pass
def test_cost(pin_cost): pass
def test_boots(guest): pass
def test_another_cost(pin_cost): pass
@pytest.mark.topology("large")
def test_large(guest): pass
"""
THE_ORDER_ALONE = """
import pathlib, pytest

@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session):
    names = " ".join(item.originalname for item in session.items)
    pathlib.Path(__file__).with_name("order.txt").write_text(names)
    session.items.clear()
"""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--kernel", "image:/nowhere/bzImage"), "there is no file /nowhere/bzImage"),
        (("nothing-of-that-name",), "file or directory not found: nothing-of-that-name"),
        (("--gdb", "1234"), "only one guest can have the port: leave out -n"),
        (("--topology", "no-such"), "no-such"),
    ],
)
def test_wrong_input_is_told_once(run, kernel_image: Path, words, told) -> None:
    kernel = ("--kernel", f"image:{kernel_image}")
    assert told in run("-n", "2", *(() if "--kernel" in words else kernel), *words).complaint


def test_a_wrong_marker_is_told_once(run, pytester: pytest.Pytester, kernel_image: Path) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.dimm("big")
        def test_boots(guest):
            pass
        """
    )
    assert "mark.dimm" in run("-n", "2", "--kernel", f"image:{kernel_image}").complaint


def test_all_workers_have_the_controllers_seed(run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from hotremove.plugin.run import farm_of, worker_id

        @pytest.mark.parametrize("number", range(4))
        def test_it(number, pytestconfig):
            seed = farm_of(pytestconfig).options.seed
            open(f"{worker_id(pytestconfig)}.seed", "w").write(str(seed))
        """
    )
    assert run("-n", "2", "--dist", "load").code == 0
    seeds = [path.read_text() for path in pytester.path.glob("gw*.seed")]
    assert len(seeds) == 2
    assert len(set(seeds)) == 1


def test_a_worker_begins_with_the_largest_guests(run, pytester, kernel_image: Path) -> None:
    """So that tests which measure the same do so in one worker, and one of them for all."""
    tests = pytester.mkdir("tests")
    (tests / "conftest.py").write_text(THE_ORDER_ALONE)
    (tests / "test_it.py").write_text(OF_SEVERAL_SIZES)
    run("-n", "1", "--kernel", f"image:{kernel_image}", tests)
    order = (tests / "order.txt").read_text().split()
    assert order == ["test_large", "test_cost", "test_another_cost", "test_usual", "test_boots"]


@pytest.mark.parametrize(
    ("words", "free", "workers"),
    [
        (("-m", "hotremove"), 1 << 20, 4),
        (("-m", "hotremove"), 5000, 2),
        (("-m", "hotremove"), 100, 1),
        ((str(SUITE),), 5000, 2),
        (("--hotremove-rounds=7",), 5000, 2),
        (("-m", "hotremove", "--hotremove-gdb", "1234"), 1 << 20, 0),
        ((str(SUITE), "-k", "beside_a_vfio_mapping"), 5000, 0),
        ((str(SUITE), "-k", "vfio"), 5000, 2),
        ((str(SUITE), "-k", "beside_a_vfio_mapping or edu"), 5000, 2),
        ((str(SUITE), "-k", "no_such_test"), 5000, 2),
        ((f"{SUITE}/test_races.py::test_two_pin_the_same_memory_at_once",), 5000, 0),
        ((f"{SUITE}/test_races.py::test_x", f"{SUITE}/test_races.py::test_y"), 5000, 2),
        ((str(SUITE), "-k", "beside_a_vfio_mapping", "--hotremove-prove"), 5000, 2),
        ((str(SUITE), "-k", "beside_a_vfio_mapping", *TWO_KERNELS), 5000, 2),
    ],
)
def test_auto_takes_what_has_a_core_and_memory(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, words, free: int, workers: int
) -> None:
    monkeypatch.setattr(cgroups, "cores", lambda: 3)
    monkeypatch.setattr(cgroups, "free_mib", lambda: free)
    config = pytester.parseconfig("-p", "no:hypothesispytest", "-n", "auto", *words)
    assert config.hook.pytest_xdist_auto_num_workers(config=config) == workers


def test_auto_is_xdists_own_for_tests_without_guests(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even below a folder of theirs that is called as ours is."""
    monkeypatch.setattr(cgroups, "cores", lambda: 12345)
    pytester.mkdir("scenarios")
    config = pytester.parseconfig("-p", "no:hypothesispytest", "-n", "auto", "scenarios")
    assert config.hook.pytest_xdist_auto_num_workers(config=config) < 12345


@pytest.mark.parametrize(
    ("text", "words", "told"),
    [
        ("[[host]]\nname = 'a'", (), "host 'a': `uri` is missing"),
        ("[[host]]\nname = 'a'", ("-n", "auto"), "host 'a': `uri` is missing"),
        ("{a}slots = 2", ("-n", "3"), "-n 3: the hosts have 2 slots"),
        ("{a}", ("--farm-label", "big"), "no host carries the labels big"),
        ("{a}", ("--gdb", "1234"), "--hotremove-gdb does not go with --hotremove-farm-hosts"),
        ("{a}", ("--keep-guest",), "--hotremove-keep-guest does not go with --hotremove-farm"),
        ("{a}", ("--device", "vfio=host:0000:65:00.0"), "guests are to run on another"),
        ("{a}", ("--farm-uri", "qemu:///system"), "farm-uri (ini: hotremove_uri) does not go"),
        ("{a}", ("--accel", "kvm"), "does not go with --hotremove-farm-hosts: hosts.toml says who"),
        ("{a}", ("--reruns", "1"), "--reruns does not go with --hotremove-farm-hosts"),
        ("{a}", (), "no host of 1 is to be had: a: host a: 127.0.0.1:9: Connection refused"),
    ],
)
def test_hosts_that_make_no_sense(run, kernel_image: Path, tmp_path: Path, text, words, told):
    file = tmp_path / "hosts.toml"
    row = "[[host]]\nname = 'a'\nuri = 'qemu+tcp://127.0.0.1:9/system'\n"
    file.write_text(text.replace("{a}", row))
    done = run("--kernel", f"image:{kernel_image}", "--farm-hosts", str(file), *words)
    assert told in done.complaint


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--farm-label", "big"), "farm-label big: hosts come from --hotremove-farm-hosts"),
        (("--farm-hosts", "/nowhere.toml"), "/nowhere.toml: No such file or directory"),
        (("--device", "vfio=0000:65:00.0"), "write rdma=host:0000:65:00.0 or vfio=host:"),
        (("--device", "vfio=host:ffff:65:00.0"), "this machine has no PCI device ffff:65:00.0"),
        (("--device", "vfio=host:0000:65:00.0") * 2, "--hotremove-device: one of a kind"),
        (("-n", "2", "--device", "vfio=host:0000:65:00.0"), "only one guest can have it"),
    ],
)
def test_hosts_and_devices_that_are_not_to_be_had(run, kernel_image: Path, words, told):
    assert told in run("--kernel", f"image:{kernel_image}", *words).complaint


@pytest.mark.parametrize(
    ("ini", "words", "told"),
    [
        ("hosts = hosts.toml", ("--device", "vfio=host:0000:65:00.0"), "guests are to run on anot"),
        (
            "uri = qemu+ssh://anna/system",
            ("--device", "vfio=host:0000:65:00.0"),
            "guests are to run on anot",
        ),
        ("uri = qemu:///system", ("--farm-hosts", "hosts.toml"), "farm-uri (ini: hotremove_uri)"),
        ("uri = qemu:///system", ("--farm-uri=", "--farm-hosts", "hosts.toml"), "nowhere"),
    ],
)
def test_ini_counts_as_the_command_line_does(
    run, pytester: pytest.Pytester, kernel_image: Path, ini: str, words, told: str
) -> None:
    pytester.makeini(f"[pytest]\nhotremove_{ini}\n")
    (pytester.path / "hosts.toml").write_text(
        "[[host]]\nname = 'a'\nuri = 'qemu+tcp://nowhere.invalid:9/system'\n"
    )
    assert told in run("--kernel", f"image:{kernel_image}", *words).complaint


MOVING = """
import dataclasses
import pytest
from hotremove.remote.hosts import Host
from hotremove.remote.slots import HostLoss
from hotremove.plugin.run import farm_of

@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    farm = farm_of(config)
    farm.options = dataclasses.replace(farm.options, hosts=(Host("berta", "qemu:///system"),))
    losses = [HostLoss("berta", died) for died in {deaths}]
    farm.leave_lost_host = lambda: losses.pop() if losses else None
"""
FAILS_AT_FIRST = """
import pytest

tries = []

@pytest.fixture
def thing():
    tries.append("set up")
    yield tries.count("torn down")
    tries.append("torn down")

def test_it(thing):
    assert thing >= {times}

def test_other(thing):
    pass
"""


@pytest.mark.parametrize("workers", [(), ("-n", "1")])
@pytest.mark.parametrize(
    ("times", "deaths", "code", "told"),
    [
        (1, [True], 0, "2 passed, 1 moved"),
        (1, [], 1, "1 failed, 1 passed"),
        (2, [True, True], 1, "1 failed, 1 passed, 1 moved"),
        (3, [False, True, False], 0, "2 passed, 3 moved"),  # others' guests were in two slots
    ],
)
def test_a_test_whose_host_died_runs_once_more(
    run, pytester: pytest.Pytester, workers, times: int, deaths, code: int, told: str
) -> None:
    pytester.makeconftest(
        pytester.path.joinpath("conftest.py").read_text() + MOVING.format(deaths=deaths)
    )
    pytester.makepyfile(test_it=FAILS_AT_FIRST.format(times=times))
    done = run(*workers)
    assert (done.code, told in done.out) == (code, True), done.out
