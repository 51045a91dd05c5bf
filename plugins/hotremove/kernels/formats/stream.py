# SPDX-License-Identifier: Apache-2.0
"""Unpacking what a command writes as a tar stream: dpkg-deb, bsdtar, zstd."""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hotremove import processes
from hotremove.errors import UsageProblem
from hotremove.kernels.formats import archive, layout

_BUFFER_BYTES = 1 << 20
# Seconds; half a minute for a kernel's debug information.
_UNPACKING = 1800.0


def unpack(
    command: Sequence[str], root: Path, name: str, place: archive.Place = layout.place
) -> None:
    """Run a command that writes a tar stream, and keep below `root` what `place` wants.

    Raises:
        UsageProblem: the command fails or its stream is damaged; `name` is the file's name.
    """
    with (
        tempfile.TemporaryFile() as errors,
        processes.started(command, f"unpacking {name}", _UNPACKING, stderr=errors) as child,
    ):
        process = child.process
        with (
            archive.damage_is_reported(name),
            tarfile.open(fileobj=process.stdout, mode="r|", bufsize=_BUFFER_BYTES) as members,
        ):
            archive.unpack(members, root, name, place)
        _drain(process)
        if process.wait():
            errors.seek(0)
            raise damaged(name, errors.read().decode(errors="replace"))


def damaged(name: str, stderr: str) -> UsageProblem:
    """The error for a file that a tool cannot read, with the tool's last word."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    telling = [line for line in lines if "Error exit delayed" not in line] or ["no reason given"]
    reason = telling[-1].removeprefix("dpkg-deb: error: ").removeprefix("bsdtar: ")
    return UsageProblem(f"{name} is damaged or cut short ({reason}): get a fresh copy")


def _drain(process: subprocess.Popen[bytes]) -> None:
    """Read the padding after the last member: a closed pipe would look like a damaged file."""
    while process.stdout and process.stdout.read(_BUFFER_BYTES):
        pass
