# SPDX-License-Identifier: Apache-2.0
"""Lines below what pytest has written so far: they go before it writes on, and come again."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

# Control sequences of ECMA-48: erase below the cursor, erase the line, move up and right.
_ERASE_BELOW = "\x1b[J"
_ERASE_LINE = "\x1b[K"
_DIM, _NORMAL = "\x1b[2m", "\x1b[0m"
_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[@-~]")
_USUAL = os.terminal_size((80, 24))


class StatusLine:
    """A terminal's file, which pytest writes through, and the lines that are shown below.

    All that is written goes through one lock, so the lines are gone while anyone writes.
    """

    def __init__(self, file: TextIO, terminal: TextIO) -> None:
        """Show nothing yet; `terminal` is what `file` leads to while pytest captures nothing."""
        self.file = file
        self._terminal = terminal
        self._lock = threading.RLock()
        self._line = ""
        self._shown: list[str] = []
        self._pauses = 0

    def __getattr__(self, name: str) -> Any:
        """All else is the file's own."""
        return getattr(self.file, name)

    def write(self, text: str) -> int:
        """Write as pytest does."""
        with self._lock:
            self._erase()
            self._line = (self._line + text).rpartition("\n")[2].rpartition("\r")[2]
            written = self.file.write(text)
            self.file.flush()  # later it may be captured
            return written

    def flush(self) -> None:
        """Let it reach the terminal."""
        with self._lock:
            self.file.flush()

    @property
    def size(self) -> os.terminal_size:
        """Columns and lines of the terminal now."""
        try:
            return os.get_terminal_size(self._terminal.fileno())
        except (OSError, ValueError):
            return _USUAL

    def show(self, lines: Sequence[str]) -> None:
        """Have these lines below the cursor's, and the cursor where it was."""
        with self._lock:
            if self._pauses or list(lines) == self._shown:
                return
            self._erase()
            columns, rows = self.size
            column = self._column(columns)
            if not lines or column is None or rows < 2:
                return
            shown = lines[: rows - 1]
            below = "".join(f"\r\n{line}{_ERASE_LINE}" for line in shown)
            right = f"\x1b[{column}C" if column else ""
            self._put(f"{_DIM}{below}{_NORMAL}\x1b[{len(shown)}A\r{right}")
            self._shown = list(lines)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Show nothing while another writes to the terminal."""
        with self._lock:
            self._pauses += 1
            self._erase()
        try:
            yield
        finally:
            with self._lock:
                self._pauses -= 1

    def _erase(self) -> None:
        if self._shown:
            self._put(_ERASE_BELOW)
            self._shown = []

    def _put(self, text: str) -> None:
        self._terminal.write(text)
        self._terminal.flush()

    def _column(self, columns: int) -> int | None:
        """Where the cursor is in its line; None at a line's end, where terminals differ."""
        from rich.cells import cell_len

        width = cell_len(_SEQUENCE.sub("", self._line))
        return width % columns if width == 0 or width % columns else None
