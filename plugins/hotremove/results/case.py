# SPDX-License-Identifier: Apache-2.0
"""One test's result with the evidence that was kept of it, read back from disk."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hotremove.errors import DataProblem
from hotremove.observe.kernellog.dmesg import find_reports
from hotremove.observe.kernellog.report import Report
from hotremove.observe.pagedump import DumpedPage, DumpedPages
from hotremove.observe.timeline import Moment
from hotremove.results.record import Result

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
        rows = self._json("removals.json")
        try:
            return tuple(map(_attempt, rows))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._useless("removals.json", error) from error

    @cached_property
    def timeline(self) -> tuple[Moment, ...]:
        """What was done to the guest, and when.

        Raises:
            DataProblem: timeline.json is not what the farm writes.
        """
        rows = self._json("timeline.json")
        try:
            return tuple(Moment(str(n), float(start), float(took)) for n, start, took in rows)
        except (TypeError, ValueError) as error:
            raise self._useless("timeline.json", error) from error

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

    def _json(self, name: str) -> Any:
        text = self._text(name)
        try:
            return json.loads(text) if text else []
        except ValueError as error:
            raise self._useless(name, error) from error

    def _useless(self, name: str, error: Exception) -> DataProblem:
        return DataProblem(f"{self.folder}/{name}: not the evidence of a test: {error!r}")


def _attempt(row: dict[str, Any]) -> Attempt:
    return Attempt(
        mechanism=str(row["mechanism"]),
        outcome=str(row["outcome"]),
        seconds=float(row["seconds"]),
        explanation=str(row["explanation"]),
        pins=tuple(_pin(pin) for pin in row["pins"]),
        counted=tuple(
            Counted(str(name), int(before), int(row["after"].get(name, before)))
            for name, before in row["before"].items()
        ),
    )


def _pin(pin: dict[str, Any]) -> str:
    mib = int(pin["bytes"]) / (1 << 20)
    return f"{mib:g} MiB through {pin['path']} by pid {pin['pid']}, page frames {pin['frames']}"
