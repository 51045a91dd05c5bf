# SPDX-License-Identifier: Apache-2.0
"""Pin paths of other packages, as far as they go without a guest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hotremove.errors import UsageProblem
from hotremove.pins import registry
from hotremove.plugin import without

pytest_plugins = ["pytester"]

ACME = Path(__file__).parents[1] / "acme"
SCENARIO = """
import pytest

@pytest.mark.hotremove
@pytest.mark.pins("rdma", "acme_ring")
def test_pins(pinner):
    pass
"""


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    """What is installed is looked up anew."""
    for known in (registry.pin_paths, without.fixtures_by_word):
        known.cache_clear()
    yield
    for known in (registry.pin_paths, without.fixtures_by_word):
        known.cache_clear()


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is installed."""
    monkeypatch.syspath_prepend(ACME)


@pytest.mark.usefixtures("acme")
def test_a_path_of_another_package_has_its_runs(
    run, pytester: pytest.Pytester, kernel_image: Path
) -> None:
    pytester.makepyfile(SCENARIO)
    words = ("--collect-only", "-q", "--kernel", f"image:{kernel_image}")
    assert run(*words, "--without", "acme_ring").tests == [
        "test_pins[6.1.99-rdma]",
        "test_pins[6.1.99-acme_ring]",
    ]


def test_a_path_that_nobody_registered_is_unknown(
    run, pytester: pytest.Pytester, kernel_image: Path
) -> None:
    pytester.makepyfile(SCENARIO)
    told = run("--collect-only", "--kernel", f"image:{kernel_image}").complaint
    assert "mark.pins('acme_ring'): give rdma, vfio," in told


def test_a_wrong_word_is_answered_with_all(run, kernel_image: Path) -> None:
    told = run("--kernel", f"image:{kernel_image}", "--without", "acme_ring").complaint
    assert "without acme_ring: one of rdma, vfio, io_uring, vmsplice, pin_hold, modules" in told


@pytest.mark.usefixtures("acme")
def test_its_capabilities_are_shown_beside_the_farms() -> None:
    assert {"acme's rings", "acme's engine"} <= {c.name for c in registry.known_capabilities()}
    assert without.fixtures_by_word()["acme_ring"] == {"acme_ring"}
    modules = {"pin_hold", "ib_umem", "mdev", "iommufd_access", "dimm-by-module"}
    assert without.fixtures_by_word()["modules"] == modules
    assert without.fixtures_by_word()["rdma"] == {"rdma", "ib_umem", "siw"}


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("rdma = json:dumps", "the pin path rdma = json:dumps of the package p: there is a pin"),
        ("mine = json:dumps", "mine = json:dumps of the package p is no class derived from PinPa"),
        ("mine = json:nothing", "cannot be imported: module 'json' has no attribute 'nothing'"),
        ("mine = no_module:Path", "cannot be imported: No module named 'no_module'"),
    ],
)
def test_what_is_no_pin_path_is_told_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str, told: str
) -> None:
    folder = tmp_path / "p-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: p\nVersion: 1\n")
    (folder / "entry_points.txt").write_text(f"[{registry.GROUP}]\n{entry}\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageProblem) as raised:
        registry.pin_paths()
    assert told in str(raised.value)
