# SPDX-License-Identifier: Apache-2.0
"""What a scenario saw where more than one answer is right."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Record = Callable[[str], None]
NOTES: pytest.StashKey[list[str]] = pytest.StashKey()
"""On an item: what its scenario recorded."""


def recorder(item: pytest.Item) -> Record:
    """A function that keeps a line for the result of this test."""
    return item.stash.setdefault(NOTES, []).append


def noted(item: pytest.Item) -> str:
    """What was kept, in one line."""
    kept: list[str] = item.stash.get(NOTES, [])
    return "; ".join(kept)
