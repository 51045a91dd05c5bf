# SPDX-License-Identifier: Apache-2.0
"""Module indexes (modules.dep and its friends), made by kmod's depmod."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from hotremove.errors import HostProblem, UsageProblem


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
        UsageProblem: depmod cannot read the modules.
        HostProblem: depmod is not installed.
    """
    tree = root / "lib" / "modules" / release
    if (tree / "modules.dep").is_file():
        return
    _run(root, release)
    # An empty index for a tree with modules means that depmod could not read their compression.
    if any(tree.rglob("*.ko*")) and (tree / "modules.dep").stat().st_size == 0:
        raise UsageProblem(f"depmod finds no module in lib/modules/{release}: are they damaged?")


def _run(root: Path, release: str) -> None:
    """Run depmod; kmod may be built to look in usr/lib/modules, so both names lead there."""
    alias = root / "usr"
    alias.symlink_to(".")
    try:
        done = subprocess.run(
            [tool(), "-b", str(root), release], capture_output=True, text=True, check=False
        )
    finally:
        alias.unlink()
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UsageProblem(f"depmod fails on the modules of {release}: {reason}")
