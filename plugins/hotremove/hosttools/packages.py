# SPDX-License-Identifier: Apache-2.0
"""The packages of this machine's distribution for what Debian's hold."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hotremove.hosttools.distribution import Distribution, this_machine

TABLE = Path(__file__).with_name("packages.txt")
COLUMNS = ("debian", "ubuntu", "fedora", "opensuse")
_SAME, _NONE, _ELSEWHERE = "=", "-", "."
_CONTAINER = "a container has it all: docs/installing.md"


@dataclass(frozen=True)
class Wanted:
    """Packages by the names of a distribution.

    Attributes:
        names: what can be installed.
        lacking: Debian's names of what it has no package of.
    """

    names: tuple[str, ...]
    lacking: tuple[str, ...]


def wanted(packages: Iterable[str], of: Distribution) -> Wanted:
    """What holds the same as these Debian packages; one that the table lacks is called alike."""
    column = COLUMNS.index(of.family) if of.family in COLUMNS else 0
    found = {package: _called(package, column) for package in packages}
    names = dict.fromkeys(name for name in found.values() if name not in (_NONE, _ELSEWHERE))
    lacking = (package for package, name in found.items() if name == _NONE)
    return Wanted(tuple(names), tuple(lacking))


def advice(*packages: str) -> str:
    """How to get what these Debian packages hold: `install the package cpio`."""
    machine = this_machine()
    found = wanted(packages, machine)
    whose = "" if machine.family else " that Debian calls"
    said = [f"install the package{'s' * (len(found.names) > 1)}{whose} {' '.join(found.names)}"]
    return "; ".join((said if found.names else []) + _lacking(found, machine))


def command(*packages: str) -> str:
    """The same as a command for root, where it is known: `apt-get install cpio`."""
    machine = this_machine()
    found = wanted(packages, machine)
    if not machine.command or not found.names:
        return advice(*packages)
    return "; ".join([f"{machine.command} {' '.join(found.names)}", *_lacking(found, machine)])


def _lacking(found: Wanted, machine: Distribution) -> list[str]:
    if not found.lacking:
        return []
    return [f"{machine.name} has no package for {' '.join(found.lacking)}; {_CONTAINER}"]


def _called(package: str, column: int) -> str:
    names = _table().get(package, (package,) * len(COLUMNS))
    return package if names[column] == _SAME else names[column]


@functools.cache
def _table() -> dict[str, tuple[str, ...]]:
    """All columns, by Debian's name."""
    lines = (line.split() for line in TABLE.read_text(encoding="utf-8").splitlines())
    rows = (words[1:] for words in lines if words and not words[0].startswith("#"))
    return {row[0]: tuple(row) for row in rows}
