# SPDX-License-Identifier: Apache-2.0
"""The source that a kernel was compiled from: an archive, unpacked in a build root."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotremove import processes
from hotremove.kernels.complaint import failure
from hotremove.kernels.distro.buildroot import LIMIT, Buildroot, Command
from hotremove.processes import Child
from hotremove.progress import waiting

TREE = "/kernel"
"""Where a build root sees the tree; part of what ccache remembers."""
# Where it sees the archive.
_SOURCE = "/source"
_UNPACK = ("tar", "--extract", "--no-same-owner", "--strip-components=1")

Stream = Callable[[], AbstractContextManager[Child]]
"""Starts a program that prints an archive."""


@dataclass(frozen=True)
class SourceTree:
    """The source of a kernel.

    Attributes:
        key: changes with what it holds.
        archive: a tar archive with the tree in one folder.
        suite: the Debian suite in whose build root it is compiled.
        what: how messages call it.
    """

    key: str
    archive: Path | Stream
    suite: str
    what: str

    def unpack(self, root: Buildroot, tree: Path, choice: Sequence[str] = ()) -> None:
        """Unpack it into `tree`, or of it what the words of tar's choose.

        Raises:
            UsageProblem: it is damaged.
            HostProblem: no disk space.
        """
        with waiting(f"unpacking the source of {self.what}"):
            if isinstance(self.archive, Path):
                self._unpack_file(self.archive, root, tree, choice)
            else:
                self._take_in(self.archive, tree, choice)

    def _unpack_file(
        self, archive: Path, root: Buildroot, tree: Path, choice: Sequence[str]
    ) -> None:
        words = [*_UNPACK, "-C", TREE, "-f", f"{_SOURCE}/{archive.name}", *choice]
        done = root.run(Command(words, {TREE: tree, _SOURCE: archive.parent}))
        if done.returncode:
            raise failure(self.what, (done.stderr + done.stdout).splitlines())

    def _take_in(self, stream: Stream, tree: Path, choice: Sequence[str]) -> None:
        how: dict[str, Any] = {"stderr": subprocess.PIPE, "text": True, "errors": "replace"}
        words = [*_UNPACK, "-C", str(tree), *choice]
        with stream() as sender:
            how["stdin"] = sender.process.stdout
            with processes.started(words, "unpacking a source", LIMIT, **how) as unpacking:
                _, said = unpacking.process.communicate()
        if unpacking.process.returncode or sender.process.returncode:
            raise failure(self.what, said.splitlines())
