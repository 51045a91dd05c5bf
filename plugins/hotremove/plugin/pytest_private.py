# SPDX-License-Identifier: Apache-2.0
"""What the plugin takes of pytest that pytest does not promise to keep; nothing else does.

Tried with pytest 8.4.0 and 9.2.0: `tox -e oldest,newest` runs what stands on it with both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, TextIO, cast

import pytest
from _pytest.runner import runtestprotocol

if TYPE_CHECKING:
    from _pytest.capture import CaptureManager


def fixtures_needed(metafunc: pytest.Metafunc) -> Sequence[str]:
    """Fixtures that a test needs, after what was parametrised directly has taken their place.

    pytest itself prunes them only when all have parametrised.
    """
    info = metafunc.definition._fixtureinfo
    info.prune_dependency_tree()
    return info.names_closure


def run_phases(item: pytest.Item, nextitem: pytest.Item | None) -> list[pytest.TestReport]:
    """Set a test up, call it, tear it down; the reports are not told to anybody."""
    return runtestprotocol(item, nextitem=nextitem, log=False)


def forget_fixtures(item: pytest.Item) -> None:
    """Let an item that has run have fixtures anew, as pytest-rerunfailures does."""
    item._initrequest()  # type: ignore[attr-defined]


def capture_off(config: pytest.Config) -> AbstractContextManager[None] | None:
    """Turns pytest's capture off for a block; None where nothing captures."""
    manager: CaptureManager | None = config.pluginmanager.get_plugin("capturemanager")
    return manager.global_and_fixture_disabled() if manager else None


def start_line(config: pytest.Config) -> None:
    """Let what is written next begin a line of its own."""
    reporter: pytest.TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
    if reporter:
        reporter.ensure_newline()
        reporter.flush()


def columns_of(reporter: pytest.TerminalReporter) -> int | None:
    """How wide the terminal is; None if it is none."""
    return reporter._tw.fullwidth if reporter.isatty else None


def terminal_file(config: pytest.Config) -> TextIO:
    """What pytest's terminal writer writes to."""
    return config.get_terminal_writer()._file


@contextmanager
def diverted(config: pytest.Config, through: Any) -> Iterator[None]:
    """Let pytest's terminal writer write to `through` instead."""
    writer = config.get_terminal_writer()
    before, writer._file = writer._file, cast("TextIO", through)
    try:
        yield
    finally:
        writer._file = before
