# SPDX-License-Identifier: Apache-2.0
"""Faults by rows: what runs with a fault, of one run or of several, say together of the suite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hotremove.faults.carriers import NO_CARRIER
from hotremove.faults.fault import catalogue
from hotremove.results.naming import row_order, title
from hotremove.results.record import Record, Result
from hotremove.verdict.expectation import MISSED, NOTICED, UNASKED, WRONGLY
from hotremove.verdict.verdict import NOT_ALLOWED, Verdict

_CONTROL = "control: "
_LONGEST = 90


class Answer(StrEnum):
    """What a run with a fault says of it."""

    NOTICED = "noticed"
    MISSED = "not noticed"
    WRONG = "failed otherwise"
    HIDDEN = "fails anyway"
    UNSEEN = "not looked at"
    NO_CARRIER = "no carrier"
    ABSENT = "not applicable"


@dataclass(frozen=True)
class Run:
    """One run with a fault.

    Attributes:
        fault: its name.
        row: number and title of the scenario.
        name: the same with the variant.
        answer: what it says.
        how: the first words of the message.
        seconds: how long the whole test took, on the host.
        unasked: a control that noticed though it does not say so.
    """

    fault: str
    row: str
    name: str
    answer: Answer
    how: str
    seconds: float
    unasked: bool = False

    @property
    def is_control(self) -> bool:
        """Whether it is the control of a row."""
        return self.row.partition(" ")[2].startswith(_CONTROL)


@dataclass(frozen=True)
class Matrix:
    """The runs of one kernel.

    Attributes:
        kernel: the most precise version known.
        runs: one of each test.
    """

    kernel: str
    runs: tuple[Run, ...]

    @property
    def faults(self) -> tuple[str, ...]:
        """Those that were tried, in the catalogue's order."""
        tried = {run.fault for run in self.runs}
        known = [name for name in catalogue() if name in tried]
        return (*known, *sorted(tried - set(known)))

    def of(self, fault: str, *answers: Answer) -> list[Run]:
        """The runs with a fault that gave one of these answers; without any, all of them."""
        found = (run for run in self.runs if run.fault == fault)
        return [run for run in found if not answers or run.answer in answers]

    @property
    def without_carrier(self) -> tuple[str, ...]:
        """Faults that nothing put in force."""
        return tuple(fault for fault in self._silent if self.of(fault, Answer.NO_CARRIER))

    @property
    def without_row(self) -> tuple[str, ...]:
        """Faults of which nobody knows: the kernel allows none of the rows that were tried."""
        return tuple(fault for fault in self._silent if not self.of(fault, Answer.NO_CARRIER))

    @property
    def unnoticed(self) -> tuple[str, ...]:
        """Faults that were in force, and no scenario noticed; what controls say does not count."""
        return tuple(
            fault
            for fault in self.faults
            if fault not in self._silent and not self._noticed_by(fault)
        )

    @property
    def alone(self) -> Mapping[str, tuple[str, ...]]:
        """Rows that are the only one to notice some fault, with these faults."""
        found: dict[str, tuple[str, ...]] = {}
        for fault in self.faults:
            rows = self._noticed_by(fault)
            if len(rows) == 1:
                found[rows[0]] = (*found.get(rows[0], ()), fault)
        return dict(sorted(found.items(), key=lambda item: row_order(item[0])))

    @property
    def without_own(self) -> tuple[str, ...]:
        """Rows that were tried and are for no fault the only one."""
        rows = {run.row for run in self.runs if not run.is_control}
        return tuple(sorted(rows - set(self.alone), key=row_order))

    @property
    def unasked(self) -> tuple[Run, ...]:
        """Controls that noticed a fault though they do not say so."""
        return tuple(run for run in self.runs if run.unasked)

    @property
    def otherwise(self) -> tuple[Run, ...]:
        """Runs that failed by something else, or were not looked at."""
        bad = (Answer.WRONG, Answer.UNSEEN)
        return tuple(run for run in self.runs if run.answer in bad)

    @property
    def is_whole(self) -> bool:
        """Whether each fault that could be had was noticed, and by nobody who should not."""
        return not (self.unnoticed or self.unasked or self.otherwise)

    @property
    def _silent(self) -> tuple[str, ...]:
        """Faults that were never in force while somebody looked."""
        silent = {Answer.NO_CARRIER, Answer.ABSENT}
        return tuple(
            fault for fault in self.faults if all(run.answer in silent for run in self.of(fault))
        )

    def _noticed_by(self, fault: str) -> list[str]:
        rows = (run.row for run in self.of(fault, Answer.NOTICED) if not run.is_control)
        return list(dict.fromkeys(rows))


def matrices(records: Iterable[Record]) -> list[Matrix]:
    """A matrix for each kernel of some runs; of a test that is in several the last one counts."""
    found: dict[tuple[str, str], dict[str, Run]] = {}
    for record in records:
        for result in filter(lambda one: one.fault, record.results):
            of_kernel = found.setdefault((result.kernel, result.kernel_version), {})
            of_kernel[result.test] = _run(result)
    versions = [version for _, version in found]
    return [
        Matrix(
            f"{version} ({spec})" if versions.count(version) > 1 else version, tuple(of.values())
        )
        for (spec, version), of in found.items()
    ]


def _run(result: Result) -> Run:
    return Run(
        fault=result.fault,
        row=result.scenario,
        name=title(result),
        answer=_answer(result),
        how=_how(result.message),
        seconds=result.duration_s,
        unasked=result.message.startswith(UNASKED),
    )


def _answer(result: Result) -> Answer:
    message, verdict = result.message, Verdict(result.verdict)
    if verdict is Verdict.PASS:
        return Answer.NOTICED if message.startswith(NOTICED) else Answer.MISSED
    if verdict is Verdict.FAIL:
        return _answer_of_failure(message, result.fault)
    if verdict is Verdict.KNOWN_BUG:
        return Answer.HIDDEN
    if verdict in NOT_ALLOWED:
        return Answer.NO_CARRIER if message.startswith(NO_CARRIER) else Answer.ABSENT
    return Answer.UNSEEN


def _answer_of_failure(message: str, fault: str) -> Answer:
    # Records of schema 2 say it in the second way.
    if message.endswith(f"{MISSED}{fault}") or message.startswith("insensitive: "):
        return Answer.MISSED
    return Answer.NOTICED if message.startswith(UNASKED) else Answer.WRONG


def _how(message: str) -> str:
    """The first words of what a run noticed."""
    first = message.partition("\n")[0]
    for begin in (NOTICED, UNASKED, WRONGLY):
        if first.startswith(begin):
            first = first.removeprefix(begin)
            first = first if begin == NOTICED else first.partition(": ")[2]
    return first if len(first) <= _LONGEST else f"{first[:_LONGEST].rstrip()} …"


HEAD = ("fault", "noticed by", "not by", "how", "s")
"""Heads the columns of `table`."""


def table(matrix: Matrix) -> list[tuple[str, ...]]:
    """A row for each fault: by whom it was noticed and by how many not, how, in how long."""
    silent = {*matrix.without_carrier, *matrix.without_row}
    return [_row(matrix, fault) for fault in matrix.faults if fault not in silent]


def _row(matrix: Matrix, fault: str) -> tuple[str, ...]:
    noticed = matrix.of(fault, Answer.NOTICED)
    missed = [run for run in matrix.of(fault, Answer.MISSED) if not run.is_control]
    first = min(noticed, key=lambda run: run.seconds, default=None)
    return (
        fault,
        numbers(noticed) or "nobody",
        numbers(missed),
        first.how if first else "",
        f"{first.seconds:.1f}" if first else "",
    )


def numbers(runs: Sequence[Run]) -> str:
    """`1, 2, 15 (3), control of 18`: rows by number, with how many runs if there are several."""
    counts: dict[str, int] = {}
    for run in sorted(runs, key=lambda run: (run.is_control, row_order(run.row))):
        number = run.row.partition(" ")[0]
        name = f"control of {number}" if run.is_control else number
        counts[name] = counts.get(name, 0) + 1
    return ", ".join(f"{name} ({count})" if count > 1 else name for name, count in counts.items())


def remarks(matrix: Matrix) -> list[str]:
    """What is to be known beside the table, a line each."""
    told = [
        *_listed("nobody noticed", matrix.unnoticed),
        *_listed("no carrier has", matrix.without_carrier),
        *_listed("no row that is applicable for", matrix.without_row),
        *(f"a control noticed {run.fault}: {run.name}: {run.how}" for run in matrix.unasked),
        *(f"{run.answer}: {run.name} with {run.fault}: {run.how}" for run in matrix.otherwise),
        *(f"only {row} noticed {', '.join(faults)}" for row, faults in matrix.alone.items()),
    ]
    return [*told, *_listed("for no fault the only one", matrix.without_own)]


def _listed(what: str, names: Sequence[str]) -> list[str]:
    return [f"{what}: {', '.join(names)}"] if names else []


def sentence(matrix: Matrix) -> str:
    """`6.1.192-2: 38 of 40 faults noticed, 20 that no carrier has`."""
    tried = len(matrix.faults) - len(matrix.without_carrier) - len(matrix.without_row)
    told = f"{matrix.kernel}: {tried - len(matrix.unnoticed)} of {tried} faults noticed"
    missing = len(matrix.without_carrier)
    return f"{told}, {missing} that no carrier has" if missing else told
