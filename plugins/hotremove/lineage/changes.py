# SPDX-License-Identifier: Apache-2.0
"""The upstream changes that decide whether pinned memory leaves ZONE_MOVABLE."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hotremove import shapes
from hotremove.errors import UsageProblem
from hotremove.lineage.release import Version, parse

_FILE = Path(__file__).with_name("lineage.toml")


@dataclass(frozen=True)
class Change:
    """One upstream commit.

    Attributes:
        hash: abbreviated to twelve digits.
        subject: its first line.
        mainline: the first mainline version that has it, `5.13`.
        behaviour: what it changes, for a reader.
        stable: first stable point releases that have it.
        mends: rows of docs/scenarios.md that fail without it.
        breaks: rows that fail with it.
        shows: rows that end otherwise with it, and pass or are absent either way.
        until: hash of the change that mends what it breaks.
        mended: first releases of series whose own change mends what it breaks; a mainline
            release among them stands for all from there on. Without either nothing mends it yet.
        tells: how it shows from inside a guest.
        stays: its bug shows by long-term pins that stay in ZONE_MOVABLE, and by nothing else.
        report: pattern of what the kernel itself reports of its bug; empty where it is silent.
        anywhere: pattern of the message of a failure by which its bug shows in any row, controls
            too; empty where it decides rows of its own alone.
        fault: name of a fault (faults.toml) that does what it does, for kernels that are gone.
        read: where the versions were read, beside mainline's log.
    """

    hash: str
    subject: str
    mainline: str
    behaviour: str
    stable: tuple[str, ...] = ()
    mends: tuple[int, ...] = ()
    breaks: tuple[int, ...] = ()
    shows: tuple[int, ...] = ()
    until: str = ""
    mended: tuple[str, ...] = ()
    tells: str = ""
    stays: bool = False
    report: str = ""
    anywhere: str = ""
    fault: str = ""
    read: str = ""

    def __str__(self) -> str:
        return f"{self.hash} ({self.mainline})"

    @property
    def rows(self) -> frozenset[int]:
        """All rows that it decides."""
        return frozenset((*self.mends, *self.breaks, *self.shows))

    def is_in(self, version: Version) -> bool:
        """Whether an upstream or stable release has it, by its number.

        A series that branched off before mainline had it, and is not in `stable`, never got it,
        however high its last point release is: 6.16.12 lacks what came with 6.17.
        """
        return _reached(version, self.stable, self.mainline)

    def is_mended_in(self, version: Version) -> bool:
        """Whether what it breaks is whole again in a release, by its number alone."""
        whole = [release for release in self.mended if release.count(".") == 1]
        return bool(self.mended) and _reached(version, self.mended, whole[-1] if whole else "")

    def shows_as(self, pins_stayed: bool, reports: tuple[str, ...]) -> bool:
        """Whether a failure is of the kind that its bug makes.

        `pins_stayed`: long-term pins lay in the memory that was to go. `reports`: titles of what
        the kernel reported that nobody allowed.
        """
        return self._reports(reports) and (pins_stayed or not self.stays)

    def spoils(self, message: str, reports: tuple[str, ...] = ()) -> bool:
        """Whether a failure of any row is the bug's, by its message and the kernel's reports."""
        found = bool(self.anywhere) and re.search(self.anywhere, message) is not None
        return found and self._reports(reports)

    def _reports(self, titles: tuple[str, ...]) -> bool:
        """Whether all that the kernel reported is what it reports of the bug."""
        return all(self.report and re.search(self.report, title) for title in titles)


@dataclass(frozen=True)
class Lineage:
    """What a kernel has of it: by its version, corrected by what its vendor says.

    Attributes:
        version: upstream point release the kernel is built from.
        has: hashes it has all the same.
        lacks: hashes it lacks all the same.
    """

    version: Version
    has: frozenset[str] = frozenset()
    lacks: frozenset[str] = frozenset()

    def includes(self, change: Change) -> bool:
        """Whether the kernel should have a change."""
        if change.hash in self.has:
            return True
        return change.hash not in self.lacks and change.is_in(self.version)

    def known_bug(self, row: int, *, pinned: bool = True) -> Change | None:
        """The change whose absence, or presence, makes a row fail on this kernel.

        Where nothing is `pinned` in the end, none that shows by long-term pins that stay does.
        """
        found = (bug for bug in self.known_bugs(row) if pinned or not bug.stays)
        return next(found, None)

    def known_bugs(self, row: int) -> tuple[Change, ...]:
        """All such changes, oldest first."""
        return tuple(change for change in changes() if self._fails_by(change, row))

    def spoiler(self, message: str, reports: tuple[str, ...] = ()) -> Change | None:
        """The bug of the kernel that any row may fail by, and that this failure is."""
        found = (one for one in changes() if one.spoils(message, reports))
        return next((one for one in found if self.includes(one) and not self.has_mended(one)), None)

    def _fails_by(self, change: Change, row: int) -> bool:
        present = self.includes(change)
        if row in change.mends and not present:
            return True
        return row in change.breaks and present and not self.has_mended(change)

    def has_mended(self, change: Change) -> bool:
        """Whether the kernel should have what mends a change."""
        if change.until and self.includes(find_change(change.until)):
            return True
        return change.is_mended_in(self.version)


@dataclass(frozen=True)
class _Table:
    change: tuple[Change, ...]


@cache
def changes() -> tuple[Change, ...]:
    """The whole lineage, as in lineage.toml."""
    return shapes.read_toml(_FILE, _Table).change


def find_change(commit: str) -> Change:
    """The change whose hash begins like `commit`, or the other way round.

    Raises:
        UsageProblem: the lineage has none, or several.
    """
    found = [c for c in changes() if c.hash.startswith(commit) or commit.startswith(c.hash)]
    if len(found) != 1 or len(commit) < 7:
        known = ", ".join(change.hash for change in changes())
        raise UsageProblem(f"{commit}: not a change of the lineage; known are {known}")
    return found[0]


def _reached(version: Version, stable: tuple[str, ...], mainline: str) -> bool:
    """Whether a release is as new as the first of its series, or else as mainline's, if any."""
    for release in map(parse, stable):
        if release[:2] == version[:2]:
            return version >= release
    return bool(mainline) and version >= parse(mainline)
