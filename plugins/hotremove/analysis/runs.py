# SPDX-License-Identifier: Apache-2.0
"""What many runs show together: which tests waver, and which way they go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from hotremove.analysis.compare import Comparison, compare
from hotremove.analysis.history import FiledRun
from hotremove.analysis.summary import LETTERS
from hotremove.results.naming import nameless, title
from hotremove.results.record import Record, Result
from hotremove.verdict.verdict import LOOKED, Verdict

_TELLING = frozenset({*LOOKED, Verdict.ERROR})


@dataclass(frozen=True)
class Trend:
    """One test of one kernel spec over the runs.

    Attributes:
        kernel: the spec.
        row: the scenario with all it was run over.
        test: its id without the kernel.
        results: its result in each run, None where it was not run.
    """

    kernel: str
    row: str
    test: str
    results: tuple[Result | None, ...]

    @property
    def marks(self) -> str:
        """A character a run, blank where it was not there.

        `.` pass, `F` fail, `k` known bug, `E` error, `L` lost, `B` blocked, `a` absent, `n` not
        applicable, `w` waived, `-` not run, `s` of schema 1.
        """
        return "".join(LETTERS[Verdict(one.verdict)] if one else " " for one in self.results)

    @property
    def latest(self) -> Result | None:
        """The last result."""
        return next((one for one in reversed(self.results) if one), None)

    @property
    def usual(self) -> float:
        """Median of the seconds it took."""
        times = [one.duration_s for one in self.results if one]
        return median(times) if times else 0.0


@dataclass(frozen=True)
class Wavering:
    """A test that does not come out alike on one and the same kernel.

    Attributes:
        kernel_version: the kernel.
        row: the scenario with all it was run over.
        test: its id without the kernel.
        verdicts: what came out, tries within a run included, oldest first.
    """

    kernel_version: str
    row: str
    test: str
    verdicts: tuple[str, ...]


def trends(runs: Sequence[FiledRun]) -> list[Trend]:
    """Every test over the runs, in the order in which they first came up."""
    by_run = [{_key(result): result for result in run.record.results} for run in runs]
    keys = dict.fromkeys(key for results in by_run for key in results)
    found = []
    for key in keys:
        results = tuple(of_run.get(key) for of_run in by_run)
        latest = next(one for one in reversed(results) if one)
        found.append(Trend(key[0], title(latest), key[1], results))
    return found


def wavering(runs: Iterable[FiledRun]) -> list[Wavering]:
    """Tests with different verdicts on the same kernel; those that did not look say nothing."""
    told: dict[tuple[str, str, str], list[str]] = {}
    rows: dict[tuple[str, str, str], str] = {}
    for result in (result for run in runs for result in run.record.results):
        key = (result.kernel, result.kernel_version, nameless(result))
        told.setdefault(key, []).extend((*result.attempts, result.verdict))
        rows[key] = title(result)
    return [
        Wavering(key[1], rows[key], key[2], tuple(verdicts))
        for key, verdicts in told.items()
        if len({verdict for verdict in verdicts if verdict in _TELLING}) > 1
    ]


def since_last(runs: Sequence[FiledRun], record: Record) -> Comparison | None:
    """A run held against the last filed one before it that shares a kernel spec with it.

    Kernels that only the earlier run has say nothing.
    """
    kernels = {result.kernel for result in record.results}
    for run in reversed(runs):
        same = tuple(result for result in run.record.results if result.kernel in kernels)
        if same and not run.record.started > record.started > "":
            return compare(Record(same), record)
    return None


def _key(result: Result) -> tuple[str, str]:
    return result.kernel, nameless(result)
