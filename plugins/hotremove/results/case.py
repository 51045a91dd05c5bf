# SPDX-License-Identifier: Apache-2.0
"""One test's result with the evidence that was kept of it, read back from disk."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from hotremove import shapes
from hotremove.errors import DataProblem
from hotremove.observe.kernellog.dmesg import find_reports
from hotremove.observe.kernellog.report import Report
from hotremove.observe.pagedump import DumpedPage, DumpedPages
from hotremove.observe.timeline import Moment
from hotremove.results.record import Result
from hotremove.units import MIB

T = TypeVar("T")

# No log of a test is longer, unless the guest did nothing but print; the rest is not read.
_LONGEST_LOG = 4 << 20


@dataclass(frozen=True)
class Counted:
    """A counter around a removal."""

    name: str
    before: int
    after: int

    @property
    def change(self) -> int:
        """By how much it rose."""
        return self.after - self.before


@dataclass(frozen=True)
class Attempt:
    """One attempt to remove memory, as removals.json has it.

    Attributes:
        mechanism: `ACPI eject`, `sysfs offline`.
        outcome: how it ended.
        seconds: how long it took.
        explanation: what happened and why, in a line.
        pins: what was pinned, in words.
        counted: the node's counters.
    """

    mechanism: str
    outcome: str
    seconds: float
    explanation: str
    pins: tuple[str, ...]
    counted: tuple[Counted, ...]


@dataclass(frozen=True)
class _Pin:
    """A pin, as removals.json has it; sizes in bytes."""

    path: str
    pid: int
    bytes: int
    frames: str

    def __str__(self) -> str:
        mib = self.bytes / MIB
        return f"{mib:g} MiB through {self.path} by pid {self.pid}, page frames {self.frames}"


@dataclass(frozen=True)
class _Removal:
    """A removal, as removals.json has it; counters before and after by their names."""

    mechanism: str
    outcome: str
    seconds: float
    explanation: str
    pins: tuple[_Pin, ...]
    before: dict[str, int]
    after: dict[str, int]

    def attempt(self) -> Attempt:
        """What of it is shown."""
        return Attempt(
            mechanism=self.mechanism,
            outcome=self.outcome,
            seconds=self.seconds,
            explanation=self.explanation,
            pins=tuple(map(str, self.pins)),
            counted=tuple(
                Counted(name, before, self.after.get(name, before))
                for name, before in self.before.items()
            ),
        )


@dataclass(frozen=True)
class Case:
    """A result and its evidence.

    Attributes:
        result: what the test said.
        folder: where the evidence lies; None when none was kept.
    """

    result: Result
    folder: Path | None

    @classmethod
    def of(cls, result: Result, directory: Path) -> Case:
        """The case of a result whose record lies in `directory`.

        Raises:
            DataProblem: the record leads out of its directory.
        """
        name = result.evidence
        if not name:
            return cls(result, None)
        if Path(name).name != name or name in (".", ".."):
            raise DataProblem(f"{directory}: evidence {name!r} is not a folder beside the record")
        folder = directory / name
        return cls(result, folder if folder.is_dir() else None)

    @cached_property
    def log(self) -> str:
        """The kernel's messages; the console's where the guest could not be asked for them."""
        return self._text("dmesg.log") or self._text("console.log")

    @cached_property
    def reports(self) -> tuple[Report, ...]:
        """What the kernel reported; lines are those of `log`."""
        return tuple(find_reports(self.log.splitlines()))

    @cached_property
    def pages(self) -> tuple[DumpedPage, ...]:
        """The pages that the kernel dumped, each once, as dumped last."""
        latest = {page.dump.pfn: page for page in DumpedPages.of(self.log.splitlines()).pages}
        return tuple(latest.values())

    @cached_property
    def attempts(self) -> tuple[Attempt, ...]:
        """The removals that were tried.

        Raises:
            DataProblem: removals.json is not what the farm writes.
        """
        removals = self._json("removals.json", tuple[_Removal, ...])
        return tuple(removal.attempt() for removal in removals)

    @cached_property
    def timeline(self) -> tuple[Moment, ...]:
        """What was done to the guest, and when.

        Raises:
            DataProblem: timeline.json is not what the farm writes.
        """
        rows = self._json("timeline.json", tuple[tuple[str, float, float], ...])
        return tuple(Moment(*row) for row in rows)

    @property
    def pictures(self) -> tuple[Path, ...]:
        """PNG files that the test left, plots for instance."""
        return tuple(sorted(self.folder.glob("*.png"))) if self.folder else ()

    @property
    def files(self) -> tuple[str, ...]:
        """Names of all files of the evidence."""
        return tuple(sorted(p.name for p in self.folder.iterdir())) if self.folder else ()

    def _text(self, name: str) -> str:
        path = self.folder / name if self.folder else None
        if path is None or not path.is_file():
            return ""
        with path.open("rb") as stream:
            return stream.read(_LONGEST_LOG).decode(errors="replace")

    def _json(self, name: str, kind: type[T]) -> T:
        try:
            return shapes.from_json(self._text(name) or "[]", kind)
        except ValueError as error:
            told = f"{self.folder}/{name}: not the evidence of a test: {error}"
            raise DataProblem(told) from error
