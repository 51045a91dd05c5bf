# SPDX-License-Identifier: Apache-2.0
"""Tables of commands: cut for a terminal, whole in a pipe."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hotremove.formats.tables import plain_console, plain_table

LONG = f"git:/srv/linux#{'0123456789abcdef' * 8}"
SCRIPT = """
from hotremove.formats.tables import plain_console, plain_table
plain_console().print(plain_table(("kernel", ""), [(WORD, "no headers")], overflow="fold"))
"""


def test_a_cell_is_whole_where_other_programs_read_it() -> None:
    script = SCRIPT.replace("WORD", repr(LONG))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    heading, row = done.stdout.splitlines()
    assert heading.split() == ["kernel"]
    assert row.split() == [LONG, "no", "headers"]


def test_a_terminal_has_its_width(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    plain_console().print(plain_table(("kernel",), [(LONG,)], overflow="fold"))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 2
    assert max(map(len, lines)) <= 60  # colours are in it
