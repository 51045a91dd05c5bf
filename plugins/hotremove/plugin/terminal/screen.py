# SPDX-License-Identifier: Apache-2.0
"""The terminal behind pytest's capture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest
from _pytest.capture import CaptureManager
from _pytest.terminal import TerminalReporter

from hotremove.plugin.terminal.live import NAME, Display


@contextmanager
def uncaptured(config: pytest.Config) -> Iterator[None]:
    """Let what is written reach the terminal, on lines of its own."""
    manager: CaptureManager | None = config.pluginmanager.get_plugin("capturemanager")
    reporter: TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
    if manager is None:
        yield
        return
    display: Display | None = config.pluginmanager.get_plugin(NAME)
    alone = display.paused() if display else nullcontext()
    with manager.global_and_fixture_disabled(), alone:
        if reporter:
            reporter.ensure_newline()
            reporter.flush()
        yield
