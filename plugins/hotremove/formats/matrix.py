# SPDX-License-Identifier: Apache-2.0
"""Kernels by rows, as pages show them: what agrees is folded, rows and cells lead on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hotremove.analysis.summary import GRAVITY, cell, noticed
from hotremove.lineage.changes import Change, changes
from hotremove.results.naming import kernel_names, row_order
from hotremove.results.record import Result
from hotremove.verdict.verdict import BAD, Verdict

MOST_WORDS = 8
"""With more kernels than this, cells hold marks instead of words, and heads stand upright."""
MARKS = {
    Verdict.PASS: "✓",
    Verdict.FAIL: "fail",
    Verdict.KNOWN_BUG: "bug",
    Verdict.LOST: "lost",
    Verdict.ERROR: "err",
    Verdict.BLOCKED: "blk",
    Verdict.NOT_RUN: "not",
    Verdict.ABSENT: "-",
    Verdict.NOT_APPLICABLE: "n/a",
    Verdict.WAIVED: "w",
    Verdict.SKIP: "s",
}
"""A verdict where there is no room for its name."""
_CONTROL = "control: "


@dataclass(frozen=True)
class Test:
    """A result, and where a page has its details."""

    result: Result
    link: str


@dataclass(frozen=True)
class Cell:
    """A cell: what it says, how it is coloured, where it leads, and all of it in words."""

    text: str
    verdict: str
    link: str
    title: str = ""


@dataclass(frozen=True)
class Alike:
    """Kernels on which a row says the same: how it ended, why, and which they are."""

    told: str
    message: str
    kernels: tuple[str, ...]
    verdict: str


@dataclass(frozen=True)
class Row:
    """A scenario over all kernels.

    Attributes:
        name: number and title, with the pin path.
        anchor: where the page explains it.
        cells: one of each kernel; None where there is no result.
        proof: how many of its runs with a fault noticed it, and the colour of that.
        agrees: whether it says the same on each kernel, and nothing bad.
        changes: entries of the lineage that decide how it ends.
        endings: how it ended, kernels that say the same together.
    """

    name: str
    anchor: str
    cells: tuple[Cell | None, ...]
    proof: tuple[str, str]
    agrees: bool
    changes: tuple[Change, ...]
    endings: tuple[Alike, ...]

    @property
    def classes(self) -> str:
        """What style sheets pick it by."""
        verdicts = dict.fromkeys(one.verdict for one in self.cells if one)
        words = [f"has-{verdict}" for verdict in verdicts]
        return " ".join([*words, *(["same"] if self.agrees else [])])


@dataclass(frozen=True)
class Matrix:
    """All rows by all kernels.

    Attributes:
        kernels: their names, in the order in which they were run.
        rows: by number.
        wide: whether there is no room for words.
        proved: whether there were runs with a fault.
    """

    kernels: tuple[str, ...]
    rows: tuple[Row, ...]
    wide: bool
    proved: bool

    @property
    def folded(self) -> int:
        """How many rows agree everywhere."""
        return sum(row.agrees for row in self.rows)

    @property
    def verdicts(self) -> Mapping[str, int]:
        """How many cells have each verdict, gravest first; nothing where all have the same."""
        counts = Counter(one.verdict for row in self.rows for one in row.cells if one)
        found = {str(verdict): counts[verdict] for verdict in GRAVITY if counts[verdict]}
        return found if len(found) > 1 else {}


def matrix(tests: Sequence[Test]) -> Matrix:
    """The matrix of a run; each cell leads to its gravest test."""
    names = kernel_names(test.result for test in tests)
    plain: dict[str, dict[str, list[Test]]] = {}
    proofs: dict[str, list[Result]] = {}
    for test in tests:
        row = plain.setdefault(test.result.row, {})
        if test.result.fault:
            proofs.setdefault(test.result.row, []).append(test.result)
        else:
            row.setdefault(test.result.kernel, []).append(test)
    wide = len(names) > MOST_WORDS
    order = enumerate(sorted(plain, key=row_order), start=1)
    rows = tuple(
        _row(name, f"r{number}", plain[name], proofs.get(name, []), names, wide)
        for number, name in order
    )
    return Matrix(tuple(names.values()), rows, wide, bool(proofs))


def entries_of(row: str) -> tuple[Change, ...]:
    """Entries of the lineage that decide how a row ends; bugs do not touch controls."""
    number = row_order(row)[0]
    return tuple(change for change in changes() if number in _deciding(change, row))


def _row(
    name: str,
    anchor: str,
    by_kernel: Mapping[str, Sequence[Test]],
    proofs: Sequence[Result],
    names: Mapping[str, str],
    wide: bool,
) -> Row:
    cells = tuple(_cell(by_kernel.get(spec, ()), kernel, wide) for spec, kernel in names.items())
    ends = {one.title.partition(": ")[2] if one else "" for one in cells}
    bad = any(one.verdict in BAD for one in cells if one)
    return Row(
        name=name,
        anchor=anchor,
        cells=cells,
        proof=noticed(proofs),
        agrees=len(cells) > 1 and len(ends) == 1 and not bad,
        changes=entries_of(name),
        endings=_endings(by_kernel, names),
    )


def _cell(tests: Sequence[Test], kernel: str, wide: bool) -> Cell | None:
    if not tests:
        return None
    worst = min(tests, key=lambda test: GRAVITY.index(Verdict(test.result.verdict)))
    words, _ = cell([test.result for test in tests])
    verdict = Verdict(worst.result.verdict)
    text = MARKS[verdict] if wide else words
    return Cell(text, verdict, worst.link, f"{kernel}: {words}")


def _endings(
    by_kernel: Mapping[str, Sequence[Test]], names: Mapping[str, str]
) -> tuple[Alike, ...]:
    found: dict[tuple[str, str, str], dict[str, None]] = {}
    for spec, tests in by_kernel.items():
        for one in (test.result for test in tests):
            told = f"{one.verdict} ({one.outcome})" if one.outcome else one.verdict
            key = (told, _without(one, one.message.partition("\n")[0]), one.verdict)
            found.setdefault(key, {})[names[spec]] = None
    alike = (Alike(told, why, tuple(on), verdict) for (told, why, verdict), on in found.items())
    return tuple(sorted(alike, key=lambda one: GRAVITY.index(Verdict(one.verdict))))


def _without(result: Result, message: str) -> str:
    """The message of a failure is its own; that of all others says the same where it does."""
    return message.replace(result.kernel_label, "…") if result.kernel_label else message


def _deciding(change: Change, row: str) -> Iterable[int]:
    return change.shows if _CONTROL in row else (*change.mends, *change.breaks, *change.shows)
