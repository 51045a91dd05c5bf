# SPDX-License-Identifier: Apache-2.0
"""The reports and the page dumps of a log file; two processes read a large one.

The first reads from the top. The second passes over what is above the middle but for a little, and
says at the middle what it knows: where that is all the first one knows there, the rest
of the log says the same to both, and the first takes over what the second found.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import BinaryIO

from hotremove.cgroups import cores
from hotremove.observe.kernellog.dmesg import Finder, read_lines
from hotremove.observe.kernellog.packing import unpacked
from hotremove.observe.kernellog.report import Report, Reports
from hotremove.observe.kernellog.stretch import LINES, Stretch, stretches
from hotremove.observe.pagedump import MOST_PAGES, DumpedPages

LARGE = 16 << 20
"""Bytes of a file that two processes read."""

_FIRST = 0.54  # of the lines are the first reader's: the second has to pass over them
_WARMING_UP = 12  # stretches above the middle: what began above them has ended by then
_PAGES_BELOW = 10 * MOST_PAGES  # told apart below the middle: which of them are known is not
_BLOCK = 1 << 20  # bytes

_Found = tuple[list[Report], Counter[str], DumpedPages]


@dataclass(slots=True)
class _Reading:
    """What is known of a log so far."""

    finder: Finder = field(default_factory=Finder)
    pages: DumpedPages = field(default_factory=DumpedPages)

    def read(self, stretch: Stretch) -> None:
        self.finder.read(stretch)
        self.pages.read(stretch)  # passes over what the finder only counted

    def state(self) -> bytes:
        """Tells what decides how the lines to come are read; short, so that nobody waits for it."""
        known = repr((self.finder.state(), self.pages.state()))
        return sha256(known.encode(errors="surrogatepass")).digest()

    def go_on(self, found: _Found) -> bool:
        """Take over what was found in the rest; False where that depends on what is above."""
        reports, counted, pages = found
        if taken := self.pages.go_on(pages):
            self.finder.go_on(reports, counted)
        return taken

    def finish(self) -> tuple[Reports, DumpedPages]:
        self.pages.end()
        return self.finder.finish(), self.pages


@dataclass(slots=True)
class _Rest(_Reading):
    """The same of the second process, which counts what is below the middle by itself.

    Attributes:
        above: how many of the reports ended above the middle.
        counted: reports that did, by fingerprint.
    """

    above: int = 0
    counted: Counter[str] = field(default_factory=Counter)

    def begin(self) -> None:
        """From here on it counts."""
        self.above, self.counted = len(self.finder.done), self.finder.counted.copy()
        self.pages = self.pages.further(_PAGES_BELOW)

    def found(self) -> _Found:
        """What was found from there to the log's end."""
        self.finder.end()
        self.pages.end()
        return self.finder.done[self.above :], self.finder.counted - self.counted, self.pages


def read_stream(stream: BinaryIO) -> tuple[Reports, DumpedPages]:
    """What is reported in a log, and the pages that are dumped in it.

    Raises:
        UsageProblem: it is a file of another kind, which holds no log.
        OSError, packing.BROKEN: it cannot be read to its end.
    """
    return _read_first(stream, 0, None)


def read_file(path: Path) -> tuple[Reports, DumpedPages]:
    """`read_stream()` of a file, in half the time where it is large and a second processor idle."""
    with path.open("rb") as stream:
        if not _is_worth_it(path):
            return read_stream(stream)
        middle = int(_count_lines(path) * _FIRST) // LINES
        with _second_reader(path, middle) as second:
            return _read_first(stream, middle, second)


def _is_worth_it(path: Path) -> bool:
    return cores() > 1 and path.is_file() and path.stat().st_size >= LARGE


def _count_lines(path: Path) -> int:
    with path.open("rb") as stream:
        plain = unpacked(stream)
        return sum(block.count(b"\n") for block in iter(lambda: plain.read(_BLOCK), b""))


def _read_first(
    stream: BinaryIO, middle: int, second: Connection | None
) -> tuple[Reports, DumpedPages]:
    """Read to the middle, or to the end if the second reader is no help."""
    reading = _Reading()
    for number, stretch in enumerate(stretches(read_lines(stream))):
        if number == middle and second and _take_over(reading, second):
            break
        reading.read(stretch)
    return reading.finish()


def _take_over(reading: _Reading, second: Connection) -> bool:
    with suppress(EOFError, OSError):  # it was killed: its half is read here
        return bool(second.recv() == reading.state() and reading.go_on(second.recv()))
    return False


@contextmanager
def _second_reader(path: Path, middle: int) -> Iterator[Connection | None]:
    """Where another process says what it knows at the middle, then what it found below.

    None where there can be no further process.
    """
    ours, its = multiprocessing.Pipe(duplex=False)
    fork = multiprocessing.get_context("fork")  # nothing is to be loaded again
    process = fork.Process(target=_read_second, args=(path, middle, ours, its, os.getpid()))
    try:
        process.start()
    except OSError:
        yield None
        return
    finally:
        its.close()
    try:
        yield ours
    finally:
        process.kill()
        process.join()
        ours.close()


def _read_second(path: Path, middle: int, ours: Connection, its: Connection, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first reader ends it
    ours.close()
    with suppress(Exception), path.open("rb") as stream:  # the first reader meets the same
        reading, start = _Rest(), max(middle - _WARMING_UP, 0)
        for number, stretch in enumerate(islice(stretches(read_lines(stream)), start, None), start):
            if os.getppid() != parent:
                return
            if number == middle:
                its.send(reading.state())
                reading.begin()
            reading.read(stretch)
        its.send(reading.found())
