# SPDX-License-Identifier: Apache-2.0
"""KTAP version 1 (Documentation/dev-tools/ktap.rst): a subtest for each kernel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hotremove.analysis.coverage import Coverage, coverage_of
from hotremove.analysis.summary import verdicts
from hotremove.results.naming import title, version_names
from hotremove.results.record import Record, Result
from hotremove.results.text import one_line, printable
from hotremove.verdict.verdict import BAD, Verdict

_VERSION = "KTAP version 1"
# Directive of each verdict, and whether its line is `ok`.
_LINES = {
    Verdict.PASS: ("ok", ""),
    Verdict.FAIL: ("not ok", ""),
    Verdict.KNOWN_BUG: ("ok", "XFAIL"),
    Verdict.ABSENT: ("ok", "SKIP"),
    Verdict.NOT_APPLICABLE: ("ok", "SKIP"),
    Verdict.WAIVED: ("ok", "SKIP"),
    Verdict.SKIP: ("ok", "SKIP"),
    Verdict.ERROR: ("not ok", "ERROR"),
    Verdict.LOST: ("not ok", "ERROR"),
    Verdict.BLOCKED: ("not ok", "ERROR"),
    Verdict.NOT_RUN: ("not ok", "ERROR"),
}


def render(record: Record) -> str:
    """The record as KTAP."""
    kernels = version_names(record.results)
    looked = {one.kernel: one for one in coverage_of(record)}
    lines = [_VERSION, f"1..{len(kernels)}"]
    for number, (spec, kernel) in enumerate(kernels.items(), start=1):
        results = [result for result in record.results if result.kernel == spec]
        lines.extend(f"  {line}" for line in _subtest(kernel, results, looked[spec]))
        lines.append(_sum(number, kernel, results))
    return "\n".join(lines) + "\n"


def _subtest(kernel: str, results: Sequence[Result], looked: Coverage) -> Iterator[str]:
    yield _VERSION
    yield f"# Subtest: {_name(kernel)}"
    yield f"# {looked}"
    yield f"1..{len(results)}"
    for number, result in enumerate(results, start=1):
        yield from _diagnosis(result)
        status, directive = _LINES[Verdict(result.verdict)]
        why = result.message.partition("\n")[0]
        remark = f" # {directive} {_name(f'{result.verdict}: {why}')}" if directive else ""
        yield f"{status} {number} - {_name(_title(result))}{remark}"


def _diagnosis(result: Result) -> Iterator[str]:
    """Lines for a person; none can be taken for a result, whatever a guest printed."""
    yield f"# {_name(result.test)}: {verdicts(result)}, {result.duration_s:.3f} s"
    if result.verdict in BAD:
        yield from (f"#   {line}" for line in printable(result.message).split("\n") if line.strip())
    if result.evidence:
        yield f"# evidence: {_name(result.evidence)}"


def _title(result: Result) -> str:
    return f"{title(result)}, with {result.fault}" if result.fault else title(result)


def _sum(number: int, kernel: str, results: Sequence[Result]) -> str:
    """The line of a kernel: not ok when one of its tests is not, skipped when all are."""
    lines = [_LINES[Verdict(result.verdict)] for result in results]
    status = "not ok" if any(line[0] == "not ok" for line in lines) else "ok"
    skipped = " # SKIP nothing applies" if all(line[1] == "SKIP" for line in lines) else ""
    return f"{status} {number} - {_name(kernel)}{skipped}"


def _name(text: str) -> str:
    """One line without `#`, which begins a directive."""
    return one_line(text).replace("#", "no.") or "unnamed"
