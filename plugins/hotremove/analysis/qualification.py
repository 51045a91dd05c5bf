# SPDX-License-Identifier: Apache-2.0
"""What a run says of one kernel as a backport: fit or not, and change by change of the lineage.

A change is judged by the scenarios that need it, never by the kernel's version; the version, and
what the vendor says the kernel has or lacks, only tell a change that is missing from one that is
there and does not work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hotremove.analysis.compare import Comparison, compare
from hotremove.analysis.coverage import Coverage, coverage_of, rows_in_words
from hotremove.analysis.summary import noticed
from hotremove.lineage import release
from hotremove.lineage.changes import Change, Lineage, changes
from hotremove.results.naming import row_order, title, variant
from hotremove.results.record import Record, Result
from hotremove.verdict.scenario_id import LONG_TERM, catalogue
from hotremove.verdict.verdict import LOOKED, NOT_ALLOWED, Verdict

# A run with a fault that is waived proves nothing, and takes nothing away.
_SILENT = frozenset({Verdict.LOST, Verdict.ERROR, Verdict.BLOCKED, Verdict.NOT_RUN})
_MOST_GAPS = 3
_NEWLINE = "\n"


class Status(StrEnum):
    """What the scenarios show of an upstream change."""

    PRESENT = "present"
    MISSING = "missing"
    BROKEN = "broken"
    UNTESTED = "not testable here"
    HARMLESS = "absent or mended"


class Decision(StrEnum):
    """What comes of it all."""

    FIT = "qualifies"
    UNFIT = "does not qualify"
    OPEN = "no verdict"


@dataclass(frozen=True)
class Entry:
    """A line of the lineage's table.

    Attributes:
        change: the upstream change.
        status: what the scenarios show of it.
        shown_by: rows that show it, with their verdicts; or why nothing does.
    """

    change: Change
    status: Status
    shown_by: str


@dataclass(frozen=True)
class Qualification:
    """The judgement of one kernel.

    Attributes:
        kernel: its spec.
        version: the most precise version known.
        decision: whether it qualifies.
        sentence: the same in words, with why.
        coverage: how much of what the kernel allows was looked at.
        gaps: what was not looked at though the kernel may allow it, a line each.
        entries: the lineage, oldest change first.
        baseline: the kernel held against the baseline, if there is one.
    """

    kernel: str
    version: str
    decision: Decision
    sentence: str
    coverage: Coverage
    gaps: tuple[str, ...]
    entries: tuple[Entry, ...]
    baseline: Comparison | None

    @property
    def shown(self) -> tuple[Entry, ...]:
        """The changes of which the run shows something."""
        return tuple(one for one in self.entries if one.status is not Status.UNTESTED)

    @property
    def untested(self) -> tuple[Entry, ...]:
        """The others."""
        return tuple(one for one in self.entries if one.status is Status.UNTESTED)


def qualify(
    record: Record,
    kernel: str,
    baseline: str | None = None,
    has: Iterable[str] = (),
    lacks: Iterable[str] = (),
) -> Qualification:
    """Judge the results of one kernel.

    Args:
        record: a run over the kernel, and over the baseline if there is one.
        kernel: spec of the kernel.
        baseline: spec of the kernel it is held against.
        has: hashes of changes that the vendor says it has.
        lacks: likewise, that it lacks.
    """
    results = _of(record, kernel)
    first = next(iter(results), None)
    version = first.kernel_version if first else "?"
    lineage = Lineage(_version(first), frozenset(has), frozenset(lacks))
    plain = [result for result in results if not result.fault]
    entries = tuple(_entry(change, plain, lineage) for change in changes())
    coverage = _coverage(record, kernel)
    gaps = tuple(_gaps(plain, coverage))
    decision = _decide(results, gaps)
    why = _why(decision, results, gaps, entries)
    return Qualification(
        kernel=kernel,
        version=version,
        decision=decision,
        sentence=f"{version} ({kernel}): {decision}; {coverage}. {why}",
        coverage=coverage,
        gaps=gaps,
        entries=entries,
        baseline=_against(record, baseline, results) if baseline else None,
    )


def _of(record: Record, kernel: str) -> list[Result]:
    return [result for result in record.results if result.kernel == kernel]


def _version(result: Result | None) -> release.Version:
    """The upstream release, with which every version begins."""
    return release.parse(result.kernel_version if result else "")


def _coverage(record: Record, kernel: str) -> Coverage:
    nothing = Coverage(kernel, kernel, {}, record.left_out.get(kernel, 0))
    return next((one for one in coverage_of(record) if one.kernel == kernel), nothing)


def _gaps(results: Sequence[Result], coverage: Coverage) -> Iterator[str]:
    """What nobody looked at, and no proof says that the kernel does not allow it."""
    for one in results:
        if one.verdict not in LOOKED | NOT_ALLOWED:
            yield f"{title(one)}: {one.verdict}: {one.message.partition(_NEWLINE)[0]}"
    if coverage.left_out:
        yield f"{coverage.left_out} rows were not selected"
    if missing := catalogue() - {_row(one) for one in results}:
        yield f"not in the run: {rows_in_words(missing)}"
    if not any(_row(one) in LONG_TERM and one.verdict in LOOKED for one in results):
        yield "no long-term pin was held while memory was removed"


def _against(record: Record, baseline: str, results: Sequence[Result]) -> Comparison:
    return compare(Record(tuple(_of(record, baseline))), Record(tuple(results)))


def _entry(change: Change, results: Sequence[Result], lineage: Lineage) -> Entry:
    if change.mends:
        return _entry_of_fix(change, results, lineage)
    if change.breaks:
        return _entry_of_bug(change, results)
    return _entry_of_mend(change, results, lineage)


def _entry_of_fix(change: Change, results: Sequence[Result], lineage: Lineage) -> Entry:
    """A change whose rows fail without it."""
    tested = _tested(results, change.mends)
    failed = [result for result in tested if result.verdict != Verdict.PASS]
    if not tested:
        return Entry(change, Status.UNTESTED, _untested(results, change.mends))
    status = _failed(change, failed, lineage) if failed else Status.PRESENT
    return Entry(change, status, _shown(failed or tested))


def _failed(change: Change, failed: Sequence[Result], lineage: Lineage) -> Status:
    """What it means that rows fail which the change mends."""
    if any(f"fixed upstream by {change.hash}" in one.message for one in failed):
        return Status.MISSING
    if any(f"has {change.hash}" in one.message for one in failed):
        return Status.BROKEN
    others = [other.hash for other in changes() if other is not change]
    if not lineage.includes(change):
        return Status.MISSING
    explained = all(any(other in one.message for other in others) for one in failed)
    return Status.UNTESTED if explained else Status.BROKEN


def _entry_of_bug(change: Change, results: Sequence[Result]) -> Entry:
    """A change that breaks rows until another one mends them."""
    tested = _tested(results, change.breaks)
    failed = [result for result in tested if result.verdict != Verdict.PASS]
    if not tested:
        return Entry(change, Status.UNTESTED, _untested(results, change.breaks))
    status = Status.BROKEN if failed else Status.HARMLESS
    return Entry(change, status, _shown(failed or tested))


def _entry_of_mend(change: Change, results: Sequence[Result], lineage: Lineage) -> Entry:
    """A change that mends what another one broke, or one that no scenario shows."""
    broken = [other for other in changes() if other.until == change.hash]
    if not broken:
        return Entry(change, Status.UNTESTED, "no scenario shows it")
    of_bug = _entry_of_bug(broken[0], results)
    if of_bug.status is Status.BROKEN:
        return Entry(change, Status.MISSING, of_bug.shown_by)
    if of_bug.status is Status.HARMLESS and lineage.includes(broken[0]):
        return Entry(change, Status.PRESENT, of_bug.shown_by)
    return Entry(change, Status.UNTESTED, f"nothing to mend: {of_bug.shown_by}")


def _tested(results: Iterable[Result], rows: Sequence[int]) -> list[Result]:
    """Results that speak of the kernel, of rows but not of their controls."""
    telling = (Verdict.PASS, Verdict.FAIL, Verdict.KNOWN_BUG)
    return [one for one in results if _row(one) in rows and one.verdict in telling]


def _row(result: Result) -> int:
    number, _, title = result.scenario.partition(" ")
    return int(number) if number.isdigit() and not title.startswith("control:") else 0


def _shown(results: Sequence[Result]) -> str:
    """`stuck: 1 a row; 4 another [rdma, vfio]`: rows by how they ended, variants together."""
    endings: dict[str, dict[str, dict[str, None]]] = {}
    for result in sorted(results, key=lambda one: row_order(one.scenario)):
        rows = endings.setdefault(result.outcome or result.verdict, {})
        rows.setdefault(result.scenario, {})[variant(result)] = None
    return ". ".join(f"{ending}: {_rows(rows)}" for ending, rows in endings.items())


def _rows(rows: Mapping[str, Iterable[str]]) -> str:
    told = ((row, ", ".join(filter(None, variants))) for row, variants in rows.items())
    return "; ".join(f"{row} [{variants}]" if variants else row for row, variants in told)


def _untested(results: Iterable[Result], rows: Sequence[int]) -> str:
    skipped = [one for one in results if _row(one) in rows]
    if skipped:
        why = skipped[0].message.partition("\n")[0]
        return f"{title(skipped[0])}: {skipped[0].verdict}: {why}"
    words = ", ".join(map(str, rows))
    return f"row{'s' if len(rows) > 1 else ''} {words}: not run"


def _decide(results: Sequence[Result], gaps: Sequence[str]) -> Decision:
    """Unfit by evidence; fit only where everything was looked at that the kernel allows."""
    verdicts = {Verdict(result.verdict) for result in results}
    if {Verdict.FAIL, Verdict.KNOWN_BUG} & verdicts:
        return Decision.UNFIT
    if gaps or any(map(_failed_once, results)) or _SILENT & verdicts:
        return Decision.OPEN
    return Decision.FIT


def _failed_once(result: Result) -> bool:
    """Whether a test failed and then passed: that signs nothing off."""
    return any(Verdict(verdict) in (Verdict.FAIL, Verdict.KNOWN_BUG) for verdict in result.attempts)


def _why(
    decision: Decision, results: Sequence[Result], gaps: Sequence[str], entries: Sequence[Entry]
) -> str:
    plain = [result for result in results if not result.fault]
    ran = [result for result in plain if result.verdict in LOOKED]
    if decision is Decision.OPEN:
        return " ".join(_open_questions(results, gaps))
    if decision is Decision.FIT:
        told = f"Pinned memory leaves when it is asked back: all {len(ran)} scenarios passed"
        return f"{told}{_proof(results)}."
    failed = [one for one in plain if one.verdict in (Verdict.FAIL, Verdict.KNOWN_BUG)]
    known = sum(one.verdict == Verdict.KNOWN_BUG for one in failed)
    series = f", {known} of them as its series is known to" if known else ""
    told = f"{len(failed)} of {len(ran)} scenarios failed{series}{_proof(results)}"
    return f"{told}.{_culprits(entries)}"


def _open_questions(results: Sequence[Result], gaps: Sequence[str]) -> Iterator[str]:
    """Why there is no verdict, in sentences."""
    if wavering := sum(map(_failed_once, results)):
        yield f"{wavering} tests failed, and passed when tried again."
    if silent := sum(bool(one.fault) and one.verdict in _SILENT for one in results):
        yield f"{silent} runs with a fault ended without saying anything."
    if gaps:
        more = f"; and {len(gaps) - _MOST_GAPS} more" if len(gaps) > _MOST_GAPS else ""
        yield f"Not looked at: {'; '.join(gaps[:_MOST_GAPS])}{more}."


def _proof(results: Sequence[Result]) -> str:
    told, _ = noticed([one for one in results if one.fault])
    return f", and {told} runs with a fault noticed it" if told else ""


def _culprits(entries: Sequence[Entry]) -> str:
    told = ""
    for status, words in ((Status.MISSING, "It lacks"), (Status.BROKEN, "Broken in it:")):
        named = [f"{one.change}, {one.change.subject}" for one in entries if one.status is status]
        told += f" {words} {'; '.join(named)}." if named else ""
    return told
