# SPDX-License-Identifier: Apache-2.0
"""The kernel that comes next, fetched by a process of its own while the tests of this one run.

The process gives way to guests, and ends with the one that started it.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack, suppress

from hotremove import processes
from hotremove.errors import HostProblem

# Seconds; 170 MB, and a minute to unpack them beside a test.
_LIMIT = 1800.0


class Ahead:
    """One fetch at a time, which nobody waits for: who needs the kernel finds it or goes on.

    What it cannot fetch it does not tell: whoever needs it tries again, and has the reason.
    """

    def __init__(self) -> None:
        """Nothing is started yet."""
        self._child: processes.Child | None = None
        self._open = ExitStack()
        self._begun: set[str] = set()

    def has_begun(self, spec: str) -> bool:
        """Whether a kernel was fetched, or is being fetched."""
        return spec in self._begun

    def fetch(self, spec: str, cache_gib: float | None = None) -> None:
        """Begin to fetch a kernel and to make its boot image, unless that was begun before.

        `cache_gib` is how large the cache may be before that.
        """
        if self.has_begun(spec) or (self._child and self._child.process.poll() is None):
            return
        self.close()
        self._begun.add(spec)
        words = [sys.executable, "-m", "hotremove.cli", "kernels", "fetch", "--boot-image", spec]
        words += [] if cache_gib is None else [f"--cache-gib={cache_gib}"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        alone = ["setpriv", "--pdeathsig", "KILL", "nice", *words]
        started = processes.started(alone, f"fetching {spec} ahead", _LIMIT, **quiet)
        self._child = self._open.enter_context(started)

    def close(self) -> None:
        """End it, and all that it has started; the cache drops what is half done."""
        if self._child:
            self._child.end()
        with suppress(HostProblem):  # it was ended before, as it took too long
            self._open.close()
        self._child = None
