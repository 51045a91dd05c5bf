# SPDX-License-Identifier: Apache-2.0
"""Module indexes (modules.dep and its friends), made by kmod's depmod."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from hotremove.errors import HostProblem, UsageProblem

_UNREAD = re.compile(r"ERROR: failed to load symbols from (\S+): (.+)")


def tool() -> str:
    """The path of depmod, which is often in a directory that is not on a user's PATH.

    Raises:
        HostProblem: it is not installed.
    """
    places = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    found = shutil.which("depmod", path=places)
    if not found:
        raise HostProblem("depmod is not installed: install the package kmod")
    return found


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
    """Run depmod; kmod may be built to look in usr/lib/modules, so both names lead there."""
    alias = root / "usr"
    alias.symlink_to(".")
    try:
        return subprocess.run(
            [tool(), "-b", str(root), release],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    finally:
        alias.unlink()
