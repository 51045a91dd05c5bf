# SPDX-License-Identifier: Apache-2.0
"""For all unit tests."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from hotremove import progress


@pytest.fixture(autouse=True)
def captured_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is the tests' to look at, not the terminal's."""
    monkeypatch.setattr(progress, "_uncaptured", nullcontext)
