# SPDX-License-Identifier: Apache-2.0
"""The short-lived directory of one process's guests: sockets, logs, libvirt's own state."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hotremove.cache import host_errors
from hotremove.virt import reaper

# Watchdogs that outlive their run directory; kept, as nobody waits for them.
_dismissed: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class RunDirectory:
    """A private directory, guarded: when this process dies in any way, its guests die with it."""

    path: Path
    _watchdog: subprocess.Popen[bytes]

    @classmethod
    def make(cls, worker: str = "") -> RunDirectory:
        """A new directory, mode 0700, with a watchdog of its own; `worker` is part of its name.

        Raises:
            HostProblem: the temporary folder is full or not writable.
        """
        with host_errors(f"making a directory in {reaper.runs_folder()}"):
            prefix = f"{reaper.PREFIX}{worker}-" if worker else reaper.PREFIX
            made = tempfile.mkdtemp(prefix=prefix, dir=reaper.runs_folder())
            path = Path(made)
            reaper.sign(path, os.getpid())
        return cls(path, _start_watchdog(path))

    def guest(self, name: str) -> Path:
        """The directory of one guest's channels."""
        path = self.path / "guests" / name
        with host_errors(f"making a directory in {self.path}"):
            path.mkdir(parents=True, exist_ok=True)
        return path

    def keep(self, pid: int) -> None:
        """Let a guest's QEMU process outlive this one; the directory stays with it."""
        with host_errors(f"writing to {self.path}"):
            reaper.keep(self.path, pid)

    def remove(self) -> None:
        """End what still runs here and remove the directory.

        The watchdog looks again when this process has ended, and ends with it.
        """
        reaper.reap(self.path, spare_kept=True)
        stdin: IO[bytes] | None = self._watchdog.stdin
        if stdin:
            stdin.close()
        _dismissed.append(self._watchdog)


def _start_watchdog(path: Path) -> subprocess.Popen[bytes]:
    """Its own session, so that a signal to this process's group passes it by."""
    command = [sys.executable, "-I", "-S", reaper.__file__, str(path)]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
