# SPDX-License-Identifier: Apache-2.0
"""How much of what a kernel allows a run has looked at: what comes before any verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hotremove.results.naming import in_words, kernel_names, row_order
from hotremove.results.record import Record, Result
from hotremove.verdict.scenario_id import catalogue
from hotremove.verdict.verdict import LOOKED, NOT_ALLOWED, Verdict

_PROVEN = (Verdict.ABSENT, Verdict.NOT_APPLICABLE)
# Gravest first, as they are told.
_UNSEEN = (
    *(Verdict.LOST, Verdict.ERROR, Verdict.BLOCKED),
    *(Verdict.NOT_RUN, Verdict.WAIVED, Verdict.SKIP),
)
_WORDS = {Verdict.NOT_APPLICABLE: "not applicable", Verdict.NOT_RUN: "not run"}


@dataclass(frozen=True)
class Coverage:
    """Of one kernel, how many rows (a scenario with all it is run over) were looked at.

    Attributes:
        kernel: the kernel's spec.
        name: what it is called in tables.
        verdicts: how many rows have each verdict; runs with a fault do not count.
        left_out: rows that were collected and not selected.
        missing: numbers of the catalogue's rows that were not even collected.
    """

    kernel: str
    name: str
    verdicts: Mapping[Verdict, int]
    left_out: int = 0
    missing: tuple[int, ...] = ()

    @property
    def looked(self) -> int:
        """Rows of which the run says something about the kernel."""
        return sum(self.verdicts.get(one, 0) for one in LOOKED)

    @property
    def allowed(self) -> int:
        """Rows that the kernel allows, as far as it is not proven otherwise."""
        return sum(self.verdicts.values()) - sum(self.verdicts.get(one, 0) for one in NOT_ALLOWED)

    def __str__(self) -> str:
        """`looked at 78 of the 78 rows this kernel allows (7 absent, 4 not applicable)`."""
        if not self.verdicts:
            return "looked at no row without a fault"
        rows = "rows" if not self.left_out and not self.missing else "selected rows"
        aside = [*self._counts(_PROVEN), *self._unselected()]
        unseen = self._counts(_UNSEEN)
        told = f"looked at {self.looked} of the {self.allowed} {rows} this kernel allows"
        told += f" ({', '.join(aside)})" if aside else ""
        return told + (f"; not looked at: {', '.join(unseen)}" if unseen else "")

    def _unselected(self) -> list[str]:
        if self.left_out:
            return [f"{self.left_out} not selected"]
        return [f"not in the run: {rows_in_words(self.missing)}"] if self.missing else []

    def _counts(self, verdicts: Iterable[Verdict]) -> list[str]:
        counted = ((self.verdicts.get(one, 0), _WORDS.get(one, one)) for one in verdicts)
        return [f"{number} {word}" for number, word in counted if number]


def coverage_of(record: Record) -> list[Coverage]:
    """The coverage of each kernel of a run, in the order in which they were run."""
    names = kernel_names(record.results)
    return [_coverage(record, spec, name) for spec, name in names.items()]


def _coverage(record: Record, spec: str, name: str) -> Coverage:
    plain = [one for one in record.results if one.kernel == spec and not one.fault]
    verdicts = Counter(Verdict(one.verdict) for one in plain)
    return Coverage(spec, name, verdicts, record.left_out.get(spec, 0), _missing(plain))


def _missing(results: Iterable[Result]) -> tuple[int, ...]:
    """Rows of the catalogue that a run of some of it does not have."""
    there = {row_order(one.scenario)[0] for one in results}
    return tuple(sorted(catalogue() - there)) if there & catalogue() else ()


def rows_in_words(numbers: Iterable[int]) -> str:
    """`rows 2 to 7, 9`."""
    chosen = set(numbers)
    return f"{'row' if len(chosen) == 1 else 'rows'} {numbers_in_words(chosen)}"


def numbers_in_words(numbers: Iterable[int]) -> str:
    """`2 to 7, 9`."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    told = [f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return ", ".join(told)


def lines(record: Record) -> list[str]:
    """A line for each kernel, with its name where there are several; one for those that agree."""
    found = coverage_of(record)
    order = [one.name for one in found]
    alike: dict[str, list[str]] = {}
    for one in found:
        alike.setdefault(str(one), []).append(one.name)
    if len(found) == 1:
        return list(alike)
    return [f"{in_words(names, order)}: {told}" for told, names in alike.items()]
