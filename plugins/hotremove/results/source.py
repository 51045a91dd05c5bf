# SPDX-License-Identifier: Apache-2.0
"""Where the results of a run are read from: results.json, its directory, or a bundle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hotremove.results.bundle import SUFFIX, unpack
from hotremove.results.case import Case
from hotremove.results.record import FILE, Record, Result, read_whole
from hotremove.virt import reaper


@dataclass(frozen=True)
class Source:
    """A run on disk.

    Attributes:
        name: what the user called it.
        record: the results.
        directory: where its evidence lies.
    """

    name: str
    record: Record
    directory: Path

    @property
    def cases(self) -> tuple[Case, ...]:
        """Every result with its evidence."""
        return tuple(Case.of(result, self.directory) for result in self.record.results)

    def log_of(self, result: Result) -> str:
        """The kernel's messages in a test, or nothing."""
        return Case.of(result, self.directory).log


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """The run at `path`; a bundle is checked and unpacked for as long as the block lasts.

    Raises:
        DataProblem: there is no run there, or a damaged one.
    """
    if path.name.endswith(SUFFIX):
        with reaper.temporary("bundle") as folder:
            unpack(path, folder)
            yield read(folder, str(path))
    else:
        yield read(path, str(path))


def read(path: Path, name: str) -> Source:
    """The run in a results.json or in a directory that has one.

    Raises:
        DataProblem: there is none, or a damaged one.
    """
    file = path / FILE if path.is_dir() else path
    return Source(name, read_whole(file), file.parent)
