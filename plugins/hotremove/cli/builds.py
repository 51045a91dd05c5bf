# SPDX-License-Identifier: Apache-2.0
"""A user's build command, with a deadline and an end that leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from hotremove.errors import HotremoveError
from hotremove.progress import waiting

# What a shell ends with when there is no such command, or it may not be run.
_NO_COMMAND = (126, 127)
_TOLD = 20


class BuildFailed(HotremoveError):
    """The commit does not build."""


class CannotBuild(HotremoveError):
    """There is nothing to build with; no commit will."""


def run_build(command: str, folder: Path, deadline: float) -> None:
    """Run `command` by the shell in `folder`; the end of what it says is shown when it fails.

    Raises:
        BuildFailed: it fails, or does not end within `deadline` seconds.
        CannotBuild: the shell does not find it.
    """
    with tempfile.TemporaryFile() as said:
        with waiting(f"building: {command}"):
            code = _end_of(command, folder, deadline, said)
        if code != 0:
            print(_tail(said), flush=True)
    if code is None:
        raise BuildFailed(f"the build did not end in {deadline:g} s: {command}")
    if code in _NO_COMMAND:
        raise CannotBuild(f"the shell cannot run the build, as told above: {command}")
    if code:
        raise BuildFailed(f"the build failed with {code}, as told above: {command}")


def _end_of(command: str, folder: Path, deadline: float, said: IO[bytes]) -> int | None:
    words = ["/bin/sh", "-c", command]
    # A session of its own, so that all of it can be ended.
    with (
        subprocess.Popen(
            words,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        ) as shell,
        _ended_whole(shell),
    ):
        try:
            return shell.wait(deadline)
        except subprocess.TimeoutExpired:
            return None


@contextmanager
def _ended_whole(shell: subprocess.Popen[bytes]) -> Iterator[None]:
    """Leave nothing of the shell's session running, however the block ends."""
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)


def _tail(said: IO[bytes]) -> str:
    said.seek(0)
    lines = said.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-_TOLD:])
