# SPDX-License-Identifier: Apache-2.0
"""Module indexes (modules.dep and its friends), made by kmod's depmod."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hotremove import processes
from hotremove.errors import UsageProblem
from hotremove.hosttools import tool

# Seconds; some for a distribution's kernel.
_INDEXING = 600.0
_UNREAD = re.compile(r"ERROR: failed to load symbols from (\S+): (.+)")


def index(root: Path, release: str) -> None:
    """Write the indexes of `root`/lib/modules/`release`, unless they are there.

    Raises:
        UsageProblem: depmod cannot read a module.
        HostProblem: depmod is not installed.
    """
    if (root / "lib" / "modules" / release / "modules.dep").is_file():
        return
    done = _run(root, release)
    # depmod leaves a module it cannot read without dependencies, and still succeeds.
    if unread := _UNREAD.search(done.stderr):
        path, reason = unread.groups()
        raise UsageProblem(
            f"depmod cannot read {Path(path).relative_to(root)} ({reason}): it is damaged, or"
            " compressed in a way this machine's kmod does not know"
        )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UsageProblem(f"depmod fails on the modules of {release}: {reason}")


def _run(root: Path, release: str) -> subprocess.CompletedProcess[str]:
    with _in_either_place(root):
        command = [tool("depmod", "kmod"), "-b", str(root), release]
        return processes.run(command, f"indexing the modules of {release}", _INDEXING)


@contextmanager
def _in_either_place(root: Path) -> Iterator[None]:
    """Kmod may be built to look in usr/lib/modules: meanwhile, both names lead to the modules."""
    alias = root / "usr/lib"
    made = not alias.parent.exists()
    alias.parent.mkdir(exist_ok=True)
    alias.symlink_to("../lib")
    try:
        yield
    finally:
        alias.unlink()
        if made:
            alias.parent.rmdir()
