# SPDX-License-Identifier: Apache-2.0
"""Logs a guest writes to files of the host: its kernel console and its /dev/kmsg."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class GuestLog:
    """A log that grows while the guest lives and stays when it is dead."""

    path: Path

    def text(self, start: int = 0) -> str:
        """Everything from byte `start` on; empty when there is no log yet."""
        try:
            with self.path.open("rb") as file:
                file.seek(start)
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def size(self) -> int:
        """Length so far, in bytes."""
        return self.path.stat().st_size if self.path.exists() else 0

    def last_line(self) -> str:
        """The last line that says anything."""
        lines = [line.strip() for line in self.text(max(0, self.size() - 4096)).splitlines()]
        return next((line for line in reversed(lines) if line), "")
