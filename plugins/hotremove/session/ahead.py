# SPDX-License-Identifier: Apache-2.0
"""The kernel that comes next, fetched by a process of its own while the tests of this one run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress


class Ahead:
    """One fetch at a time, which nobody waits for: who needs the kernel finds it or goes on.

    What it cannot fetch it does not tell: whoever needs it tries again, and has the reason.
    """

    def __init__(self) -> None:
        """Nothing is started yet."""
        self._child: subprocess.Popen[bytes] | None = None
        self._begun: set[str] = set()

    def has_begun(self, spec: str) -> bool:
        """Whether a kernel was fetched, or is being fetched."""
        return spec in self._begun

    def fetch(self, spec: str, cache_gib: float | None = None) -> None:
        """Begin to fetch a kernel and to make its boot image, unless that was begun before.

        `cache_gib` is how large the cache may be before that.
        """
        if self.has_begun(spec) or (self._child and self._child.poll() is None):
            return
        self._begun.add(spec)
        words = [sys.executable, "-m", "hotremove.cli", "kernels", "fetch", "--boot-image", spec]
        words += [] if cache_gib is None else [f"--cache-gib={cache_gib}"]
        quiet = subprocess.DEVNULL
        # A session of its own, so that all of it can be ended; it gives way to guests.
        self._child = subprocess.Popen(
            ["nice", *words], stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
        )

    def close(self) -> None:
        """End it, and all that it has started; the cache drops what is half done."""
        if self._child:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
