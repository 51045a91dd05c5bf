# SPDX-License-Identifier: Apache-2.0
"""The layout: what lies where, and whether the page that tells of it is current."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "plugins/hotremove"
PAGE = (ROOT / "docs/architecture.md").read_text()
DRAW = runpy.run_path(str(ROOT / "docs/draw.py"))
MOST_LOOSE = 10


def test_few_modules_lie_loose() -> None:
    loose = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")
    assert len(loose) <= MOST_LOOSE, loose


def test_the_contract_has_a_place_for_each_package() -> None:
    layers = DRAW["layers"]((ROOT / "pyproject.toml").read_text())
    present = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    present |= {path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__"}
    assert {name for layer in layers for name in layer} == present


def test_the_picture_is_current() -> None:
    assert DRAW["drawn"](PAGE) == PAGE, "run: ./lab run python docs/draw.py"


def test_each_room_is_explained() -> None:
    rooms = PAGE.split("## Rooms, and why")[1].split("\n## ")[0]
    for path in PACKAGE.glob("*/__init__.py"):
        assert f"\n| `{path.parent.name}` |" in rooms


@pytest.mark.parametrize(
    ("graph", "left"),
    [
        ({"a": "bc", "b": "c", "c": ""}, {"a": "b", "b": "c", "c": ""}),
        ({"a": "bd", "b": "c", "c": "d", "d": ""}, {"a": "b", "b": "c", "c": "d", "d": ""}),
        ({"a": "bc", "b": "", "c": ""}, {"a": "bc", "b": "", "c": ""}),
    ],
)
def test_a_shortcut_is_an_arrow_that_others_lead_along(
    graph: dict[str, str], left: dict[str, str]
) -> None:
    found = DRAW["without_shortcuts"]({name: frozenset(targets) for name, targets in graph.items()})
    assert found == {name: frozenset(targets) for name, targets in left.items()}


def test_no_two_files_of_tests_have_one_name() -> None:
    """Pytest, which imports them by name, would collect none of either."""
    names = [path.name for path in (ROOT / "tests").glob("*/test_*.py")]
    assert sorted(names) == sorted(set(names))
