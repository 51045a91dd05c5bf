# SPDX-License-Identifier: Apache-2.0
"""Kernels by rows, as pages show them: what agrees is folded, rows and cells lead on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hotremove.analysis.folding import SCREEN, SOME, added_up, where
from hotremove.analysis.summary import GRAVITY, Look, Piece, cell, noticed
from hotremove.lineage.changes import Change, changes
from hotremove.results.naming import in_words, kernel_names, row_order
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
# Of a run that was broken off, what did not run says no more of one row than of another.
_TELLING = BAD - {Verdict.NOT_RUN}
Said = tuple[str, ...]


@dataclass(frozen=True)
class Test:
    """A result, and where a page has its details."""

    result: Result
    link: str


@dataclass(frozen=True)
class Cell:
    """A cell.

    Attributes:
        text: what it says, by a mark where there is no room for words.
        verdict: how it is coloured.
        link: where it leads.
        words: what it says in words.
        title: the same, with the kernel.
    """

    text: str
    verdict: str
    link: str
    words: str
    title: str = ""


@dataclass(frozen=True)
class Alike:
    """Kernels on which a row says the same: how it ended, why, and which they are."""

    told: str
    message: str
    kernels: tuple[str, ...]
    verdict: str


@dataclass(frozen=True)
class Column:
    """A column of a table: its head, and the place of its cells in each row."""

    head: str
    place: int


@dataclass(frozen=True)
class Together:
    """Rows that say the same: how many, which, what by a cell of each kernel, and their score."""

    count: int
    where: str
    cells: tuple[Cell | None, ...]
    proof: str


@dataclass(frozen=True)
class Row:
    """A scenario over all kernels.

    Attributes:
        name: number and title, with the pin path.
        anchor: where the page explains it.
        cells: one of each kernel; None where there is no result.
        proof: how many of its runs with a fault noticed it, and how that is to be seen.
        changes: entries of the lineage that decide how it ends.
        endings: how it ended, kernels that say the same together.
        agrees: whether it is folded, because it says no more than others do.
    """

    name: str
    anchor: str
    cells: tuple[Cell | None, ...]
    proof: Piece
    changes: tuple[Change, ...]
    endings: tuple[Alike, ...]
    agrees: bool = False

    @property
    def said(self) -> Said:
        """What its cells say."""
        return tuple(one.words if one else "" for one in self.cells)

    @property
    def verdicts(self) -> frozenset[str]:
        """What its cells are coloured by."""
        return frozenset(one.verdict for one in self.cells if one)

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
        columns: one of each kernel.
        merged: one of all kernels that say the same in each row; none where that saves nothing.
    """

    kernels: tuple[str, ...]
    rows: tuple[Row, ...]
    wide: bool
    proved: bool
    columns: tuple[Column, ...] = ()
    merged: tuple[Column, ...] = ()

    @property
    def crowded(self) -> bool:
        """Whether there is no room for words in the merged columns either."""
        return len(self.merged) > MOST_WORDS

    @property
    def folded(self) -> int:
        """How many rows agree."""
        return sum(row.agrees for row in self.rows)

    @property
    def together(self) -> list[Together]:
        """What stands for the rows that agree while they are folded."""
        groups: dict[Said, list[Row]] = {}
        for row in self.rows:
            if row.agrees:
                groups.setdefault(row.said, []).append(row)
        return [
            Together(
                count=len(rows),
                where=where(row.name for row in rows),
                cells=rows[0].cells,
                proof=added_up(row.proof[0] for row in rows),
            )
            for rows in groups.values()
        ]

    @property
    def verdicts(self) -> Mapping[str, int]:
        """How many rows have each verdict, gravest first; nothing where all have the same."""
        counts = Counter(verdict for row in self.rows for verdict in row.verdicts)
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
    columns = tuple(Column(name, place) for place, name in enumerate(names.values()))
    rows = _with_folds(rows)
    merged = _merged(rows, list(names.values())) if wide else ()
    return Matrix(tuple(names.values()), rows, wide, bool(proofs), columns, merged)


def _merged(rows: Sequence[Row], names: Sequence[str]) -> tuple[Column, ...]:
    """Columns of kernels that say the same in each row, if any do."""
    alike: dict[Said, list[int]] = {}
    for place in range(len(names)):
        alike.setdefault(tuple(row.said[place] for row in rows), []).append(place)
    found = tuple(
        Column(in_words({names[place] for place in places}, names), places[0])
        for places in alike.values()
    )
    return found if len(found) < len(names) else ()


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
    return Row(
        name=name,
        anchor=anchor,
        cells=cells,
        proof=noticed(proofs),
        changes=entries_of(name),
        endings=_endings(by_kernel, names),
    )


def _with_folds(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows, folded where they say the same on each kernel.

    Where more than a screen is left, those are folded too that differ as they are known to.
    """
    once = [replace(row, agrees=_agrees(row)) for row in rows]
    if sum(not row.agrees for row in once) <= SCREEN:
        return tuple(once)
    alike = Counter(row.said for row in once if not row.agrees)
    return tuple(
        replace(row, agrees=row.agrees or (alike[row.said] >= SOME and _is_known(row)))
        for row in once
    )


def _agrees(row: Row) -> bool:
    """Whether it says the same on all kernels; what a lone kernel is known for is told."""
    telling = _TELLING if len(row.cells) > 1 else {*_TELLING, Verdict.KNOWN_BUG}
    return len(set(row.said)) == 1 and not row.verdicts & telling and _is_proved(row)


def _is_known(row: Row) -> bool:
    return not row.verdicts & BAD and _is_proved(row)


def _is_proved(row: Row) -> bool:
    return row.proof[1] is not Look.FAIL


def _cell(tests: Sequence[Test], kernel: str, wide: bool) -> Cell | None:
    if not tests:
        return None
    worst = min(tests, key=lambda test: GRAVITY.index(Verdict(test.result.verdict)))
    words, _ = cell([test.result for test in tests])
    verdict = Verdict(worst.result.verdict)
    text = MARKS[verdict] if wide else words
    return Cell(text, verdict, worst.link, words, f"{kernel}: {words}")


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
    return change.shows if _CONTROL in row else change.rows
