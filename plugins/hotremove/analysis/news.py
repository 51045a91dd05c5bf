# SPDX-License-Identifier: Apache-2.0
"""What is new in a run since the last one: since the one that the history had filed before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hotremove.analysis.compare import Comparison, Difference, compare
from hotremove.analysis.history_place import default_place, may_be_there
from hotremove.analysis.summary import GRAVITY
from hotremove.results.record import Record
from hotremove.verdict.verdict import Verdict


@dataclass(frozen=True)
class News:
    """A run against the one before it.

    Attributes:
        name: what the earlier run was filed as.
        started: when it began, ISO 8601 in UTC.
        change: what the later one shows against it.
        whole: whether the later one left nothing out on purpose.
    """

    name: str
    started: str
    change: Comparison
    whole: bool = True

    @property
    def worse(self) -> Mapping[tuple[str, str], str]:
        """Verdicts that tests had which are worse now, by what `key_of` calls them."""
        return {
            (one.kernels[1], one.test): one.before.partition(" ")[0]
            for one in self.change.regressions
        }

    @property
    def since(self) -> str:
        """`since the run of 2026-11-27 03:00 (nights/6.1.192)`."""
        return f"since the run of {self.started[:16].replace('T', ' ')} ({self.name})"

    @property
    def summary(self) -> str:
        """How much is worse, better or otherwise; pace and costs are `hotremove compare`'s."""
        change = self.change
        gone = change.gone if self.whole else ()
        counts = {
            "worse": change.regressions,
            "better": change.fixes,
            "different": change.changes,
            "not run before": change.added,
            "no longer there": gone,
        }
        told = (f"{len(found)} {words}" for words, found in counts.items() if found)
        return ", ".join(told) or "nothing is new"

    @property
    def told(self) -> tuple[tuple[str, tuple[Difference, ...]], ...]:
        """The tests that came out otherwise, by a heading, the gravest first."""
        change = self.change
        found = {"worse": change.regressions, "better": change.fixes, "different": change.changes}
        return tuple(
            (heading, tuple(sorted(those, key=_gravity)))
            for heading, those in found.items()
            if those
        )


def _gravity(difference: Difference) -> int:
    return GRAVITY.index(Verdict(difference.after.partition(" ")[0]))


def news_of(name: str, before: Record, record: Record) -> News:
    """A run held against an earlier one; kernels that only that one has say nothing."""
    kernels = {result.kernel for result in record.results}
    shared = tuple(result for result in before.results if result.kernel in kernels)
    change = compare(Record(shared or before.results), record)
    return News(name, before.started, change, whole=not any(record.left_out.values()))


def since_last_filed(record: Record) -> News | None:
    """A run held against the last filed one of its kernels; None where the history has none.

    Nothing is made where there is no history; without the extra `reports` there can be none.

    Raises:
        DataProblem: there is one, and it cannot be read.
    """
    place = default_place()
    if not may_be_there(place):
        return None
    try:
        from hotremove.analysis.history import History  # SQLAlchemy takes 0.3 s to load
    except ModuleNotFoundError:
        return None
    with History(place) as history:
        last = history.last_before(record)
    return news_of(last.name, last.record, record) if last else None
