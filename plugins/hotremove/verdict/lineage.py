# SPDX-License-Identifier: Apache-2.0
"""The upstream changes that decide whether pinned memory leaves ZONE_MOVABLE."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("lineage.toml")


@dataclass(frozen=True)
class Change:
    """One upstream commit.

    Attributes:
        hash: abbreviated to twelve digits.
        subject: its first line.
        mainline: the first mainline version that has it, `5.13`.
        behaviour: what it changes, for a reader.
        stable: first stable point releases that have it, when known.
    """

    hash: str
    subject: str
    mainline: str
    behaviour: str
    stable: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.hash} ({self.mainline})"


@cache
def changes() -> tuple[Change, ...]:
    """The whole lineage, oldest first."""
    table = tomllib.loads(_FILE.read_text())
    return tuple(
        Change(**{**row, "stable": tuple(row.get("stable", ()))}) for row in table["change"]
    )


def find_change(commit: str) -> Change:
    """The change with that hash.

    Raises:
        KeyError: it is not in the lineage.
    """
    for change in changes():
        if change.hash == commit:
            return change
    raise KeyError(commit)
