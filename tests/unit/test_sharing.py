# SPDX-License-Identifier: Apache-2.0
"""How the project's own tests are shared out among workers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

import sharing
from hotremove import cgroups

OWN = "tests/unit/test_sharing.py"
DEATHS = "tests/live/test_guest_deaths.py"


def item(file: str, takes: float | None = None) -> SimpleNamespace:
    marker = SimpleNamespace(args=(takes,)) if takes else None
    return SimpleNamespace(path=Path(file), get_closest_marker=lambda _name: marker)


def test_the_longest_come_first_and_guests_before_the_rest() -> None:
    items = [item(OWN), item("tests/plugin/test_lab.py"), item(DEATHS), item(OWN, 20.0)]
    items += [item(DEATHS, 100.0)]
    ordered = sorted(items, key=sharing.begun_first)
    assert ordered == [items[4], items[3], items[2], items[1], items[0]]


@pytest.mark.parametrize(
    ("file", "together"), [(DEATHS, True), ("tests/live/test_pin_hold.py", False)]
)
def test_tests_stay_together_for_what_is_made_once_for_them(file: str, together: bool) -> None:
    assert sharing.has_common_work(file) == together


@pytest.mark.parametrize(
    ("args", "keyword", "free", "workers"),
    [
        (["tests"], "", 1 << 20, 6),
        (["tests/unit", "tests/plugin"], "", 1 << 20, 6),
        (["tests"], "", 8000, 2),
        (["tests"], "", 100, 1),
        (["tests"], "rules or golden", 1 << 20, 0),
        (["tests/live/test_hosts.py"], "", 1 << 20, 0),
        (["tests/live/test_hosts.py::test_x"], "", 1 << 20, 0),
    ],
)
def test_workers(
    monkeypatch: pytest.MonkeyPatch, args: list[str], keyword: str, free: int, workers: int
) -> None:
    monkeypatch.setattr(cgroups, "cores", lambda: 3)
    monkeypatch.setattr(cgroups, "free_mib", lambda: free)
    config = SimpleNamespace(args=args, option=SimpleNamespace(keyword=keyword))
    assert sharing.workers(config) == workers
