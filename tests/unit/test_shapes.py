# SPDX-License-Identifier: Apache-2.0
"""TOML and JSON onto dataclasses: what is refused, and how it is told."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from hotremove import shapes
from hotremove.errors import GuestLost, HostProblem, HotremoveError, UsageProblem
from hotremove.guest.snapshot import Snapshot
from hotremove.kernels import store
from hotremove.pincost.model import Point, parse_measured


@dataclass(frozen=True)
class Leaf:
    name: str
    size: int = 0

    def __post_init__(self) -> None:
        if self.size > 9:
            raise ValueError(f"size = {self.size} is too large")


@dataclass(frozen=True)
class Tree:
    leaf: tuple[Leaf, ...] = ()
    words: frozenset[str] = frozenset()
    by_name: tuple[tuple[str, float], ...] = ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("leaf = 1", "t: leaf: expected `array`, got `int`"),
        ("[[leaf]]\nsize = 1", "t: leaf 1: `name` is missing"),
        ("[[leaf]]\nname = 'a'\n[[leaf]]\nsize = 1", "t: leaf 2: `name` is missing"),
        ("[[leaf]]\nname = 'a'\nsize = true", "t: leaf 'a': size: expected `int`, got `bool`"),
        ("[[leaf]]\nname = 'a'\nsize = '1'", "t: leaf 'a': size: expected `int`, got `str`"),
        ("[[leaf]]\nname = 'a'\nsize = 10", "t: leaf 'a': size = 10 is too large"),
        ("[[leaf]]\nname = 'a'\nhue = 1", "t: leaf 'a': unknown key `hue`; known are name, size"),
        ("hue = 1", "t: unknown key `hue`; known are by_name, leaf, words"),
        ("words = ['a', 1]", "t: words 2: expected `str`, got `int`"),
        ("by_name = [['a', 1], ['b']]", "t: by_name 2: expected `array` of length 2, got 1"),
        ("leaf =", "t is not TOML: Invalid value (at end of document)"),
    ],
)
def test_a_complaint_is_one_line_with_the_place(text: str, told: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        shapes.from_toml("t", text, Tree)
    assert str(caught.value) == told


def test_what_fits_is_taken() -> None:
    text = "words = ['b', 'a']\nby_name = [['x', 1]]\n[[leaf]]\nname = 'a'\nsize = 9"
    made = shapes.from_toml("t", text, Tree)
    assert made == Tree((Leaf("a", 9),), frozenset("ab"), (("x", 1.0),))


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        shapes.from_json("[" * 100_000, list[int])


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    with pytest.raises(UsageProblem, match=r"x\.toml: No such file"):
        shapes.read_toml(file, Tree)
    file.write_bytes(b"# \xff")
    with pytest.raises(UsageProblem, match=r"x\.toml is not UTF-8"):
        shapes.read_toml(file, Tree)


def test_a_damaged_kernel_of_the_cache_says_what_to_remove(tmp_path: Path) -> None:
    (tmp_path / "kernel.json").write_text('{"release": "6.1.0", "version": 6}')
    told = rf"kernel\.json: version: expected `str`, got `int`: remove {tmp_path}"
    with pytest.raises(HostProblem, match=told):
        store.read_record(tmp_path)


@pytest.mark.parametrize("text", ["{}", "[]", '{"nodes": [0], "crc32": {"state": "0"}, "xml": ""}'])
def test_a_snapshot_of_another_shape_is_a_damaged_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "snapshot.json").write_text(text)
    with pytest.raises(GuestLost, match="is damaged"):
        _ = Snapshot(tmp_path).memory


@pytest.mark.parametrize("line", ["{", '{"event": "pinned", "ticks": "many"}'])
def test_an_answer_of_another_shape_measures_nothing(line: str) -> None:
    with pytest.raises(HotremoveError, match="the holder answered"):
        parse_measured([Point(path="rdma", mib=1)], f"point \n{line}\n")


def test_who_loads_the_plugin_does_not_load_msgspec() -> None:
    code = "import sys, hotremove.plugin; sys.exit('msgspec' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
