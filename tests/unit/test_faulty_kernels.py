# SPDX-License-Identifier: Apache-2.0
"""The patches of tests/faults/: the faults that they know, and that each is asked for somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hotremove.faults.fault import catalogue
from hotremove.kernels import patches

FAULTS = Path(__file__).resolve().parents[1] / "faults"
VERSIONS = sorted(path.name for path in FAULTS.iterdir() if path.is_dir())
# Symbol, name and what the kernel has to have, by the table.
_ROW = re.compile(r'^\+\tF\((\w+), "([a-z-]+)", (.*)\) ?\\?$', re.MULTILINE)
_SINCE = re.compile(r"FAULT_SINCE\((\d+), (\d+)\)")


def added(patch: Path) -> str:
    """What a patch adds."""
    return "\n".join(line for line in patch.read_text().splitlines() if line.startswith("+"))


@pytest.fixture(scope="module")
def table() -> list[tuple[str, str, str]]:
    return _ROW.findall(added(FAULTS / "table.patch"))


def test_the_kernel_and_the_catalogue_know_the_same_faults(table) -> None:
    assert {name for _, name, _ in table} == set(catalogue())
    assert len(table) == len({name for _, name, _ in table}) >= 40


@pytest.mark.parametrize("version", VERSIONS)
def test_each_fault_is_asked_for(table, version: str) -> None:
    number = tuple(map(int, version.split(".")))
    decided = added(FAULTS / "table.patch").partition("#undef FAULT_ENUM")[2]
    hooks = added(FAULTS / version / "20-hooks.patch")
    for symbol, name, there in table:
        since = [(int(major), int(minor)) for major, minor in _SINCE.findall(there)]
        if all(first <= number for first in since):
            assert re.search(rf"\bFAULT_{symbol}\b", hooks + decided), name


@pytest.mark.parametrize("version", VERSIONS)
def test_a_folder_is_the_table_and_the_hooks(version: str) -> None:
    found = patches.read([f"patch:{FAULTS / version}"])
    assert [patch.name for patch in found] == ["10-table.patch", "20-hooks.patch"]
    for patch in found:
        assert patch.text.startswith(b"SPDX-License-Identifier: GPL-2.0\n")
