# SPDX-License-Identifier: Apache-2.0
"""What is said of modules that cannot be built, and that nobody tries to build them twice."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from hotremove.errors import Blocked, CapabilityAbsent, HostProblem
from hotremove.kernels.kernel import HeadersSource, Kernel
from hotremove.plugin import foresight
from hotremove.plugin.parametrize import FAULT, KERNEL, PINNER, wants_modules
from hotremove.session import farm as farms
from hotremove.session.farm import Farm
from hotremove.session.options import Options

OLD = Kernel(
    "debian:bookworm-backports/6.12.43",
    "6.12.43+deb12-amd64",
    "6.12.43-1~bpo12+1",
    Path("/none"),
    None,
    {"MODULES": "y"},
    headers=HeadersSource("bookworm-backports", ("linux-headers-6.12.43+deb12-amd64",)),
)
GONE = "linux-headers-6.12.43+deb12-amd64 is not in bookworm-backports any more"


def item(number, *fixtures, **parameters):
    marker = SimpleNamespace(args=(number, f"row {number}"), kwargs={})
    return SimpleNamespace(
        fixturenames=("guest", KERNEL, *fixtures),
        callspec=SimpleNamespace(params={KERNEL: OLD, **parameters}),
        get_closest_marker=lambda name: marker if name == "scenario" else None,
    )


ITEMS = [
    item(1, "rdma"),
    item(26, "pin_hold"),
    item(34, "pinner", **{PINNER: "ib_umem"}),
    item(35, "pinner", **{PINNER: "vfio"}),
    item(17, "pin_hold"),
    item(34, "pinner", **{PINNER: "mdev"}),
]


@pytest.fixture
def farm(monkeypatch, tmp_path):
    monkeypatch.setenv("HOTREMOVE_CACHE", str(tmp_path))
    made = Farm(Options((OLD.spec,), "movable-node", "tcg", None, None, 30.0, False))
    made.__dict__["kernels"] = (OLD,)
    return made


@pytest.fixture
def no_headers(monkeypatch):
    monkeypatch.setattr(farms, "find_obstacle", lambda kernel, cache: GONE)


def test_one_line_says_which_rows_need_modules_and_why_there_are_none(farm, no_headers):
    assert list(foresight.obstacles(farm, ITEMS)) == [
        f"{OLD.spec}: rows 17, 26, 34 need modules; {GONE}: "
        "--hotremove-without modules runs the rest"
    ]


def test_nothing_is_said_where_no_row_needs_modules_or_nothing_is_in_the_way(farm, monkeypatch):
    monkeypatch.setattr(farms, "find_obstacle", lambda kernel, cache: None)
    assert list(foresight.obstacles(farm, ITEMS)) == []
    monkeypatch.setattr(farms, "find_obstacle", None)
    assert list(foresight.obstacles(farm, [ITEMS[0], ITEMS[3]])) == []


def test_nothing_is_said_to_somebody_who_does_without(farm, no_headers):
    farm.options = replace(farm.options, without=("modules",))
    assert list(foresight.obstacles(farm, ITEMS)) == []


def test_with_a_fault_every_row_may_need_a_module():
    assert not wants_modules(item(1, "rdma", **{FAULT: ""}))
    assert wants_modules(item(1, "rdma", **{FAULT: "no-migration"}))


def test_nothing_is_built_that_is_known_to_be_impossible(farm, no_headers, monkeypatch):
    monkeypatch.setattr(farms, "build_kmods", None)
    for _ in range(2):
        with pytest.raises(
            Blocked,
            match=f"^{GONE}; --hotremove-without modules runs the rest$".replace("+", "[+]"),
        ):
            farm.kmods(OLD)


@pytest.mark.parametrize("kind", [Blocked, HostProblem])
def test_modules_are_tried_once_in_a_run(farm, monkeypatch, kind):
    tried = []

    def build(kernel, cache):
        tried.append(kernel)
        raise kind("cc: error: unknown option")

    monkeypatch.setattr(farms, "find_obstacle", lambda kernel, cache: None)
    monkeypatch.setattr(farms, "build_kmods", build)
    for _ in range(3):
        with pytest.raises(
            Blocked, match=r"^cc: error: unknown option; --hotremove-without modules"
        ):
            farm.kmods(OLD)
    assert tried == [OLD]


def test_a_kernel_without_modules_lacks_them_by_its_own_word(farm):
    with pytest.raises(CapabilityAbsent, match=r"^no modules of the farm: CONFIG_MODULES is not"):
        farm.kmods(Kernel("x", "6.1", "6.1", Path("/none"), None, {"NUMA": "y"}))
