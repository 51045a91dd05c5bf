# SPDX-License-Identifier: Apache-2.0
"""The terminal behind pytest's capture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest

from hotremove.plugin.pytest_private import capture_off, start_line
from hotremove.plugin.terminal.live import NAME, Display


@contextmanager
def uncaptured(config: pytest.Config) -> Iterator[None]:
    """Let what is written reach the terminal, on lines of its own."""
    uncaught = capture_off(config)
    if uncaught is None:
        yield
        return
    display: Display | None = config.pluginmanager.get_plugin(NAME)
    alone = display.paused() if display else nullcontext()
    with uncaught, alone:
        start_line(config)
        yield
