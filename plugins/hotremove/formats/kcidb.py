# SPDX-License-Identifier: Apache-2.0
"""KCIDB: what a kernel CI database takes (schema 5.3), checked by kcidb-io before it is given out.

Statuses as the schema words them: FAIL is the kernel's fault, ERROR the test's, MISS the harness'
or a set-up's; SKIP does not apply, and `misc.verdict` says why. A known bug is a FAIL with an
incident that links it to the upstream change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import kcidb_io

from hotremove.analysis.coverage import coverage_of
from hotremove.architecture.known import DEFAULT, SUPPORTED
from hotremove.cache import digest
from hotremove.lineage.changes import Change, changes
from hotremove.results.naming import title
from hotremove.results.record import Record, Result
from hotremove.results.text import clipped, one_line, printable
from hotremove.verdict.verdict import Verdict

ORIGIN = "hotremove"
"""Name of the CI system, as KCIDB knows it."""
LONGEST_EXCERPT = 16384
_STATUSES = {
    Verdict.PASS: "PASS",
    Verdict.FAIL: "FAIL",
    Verdict.KNOWN_BUG: "FAIL",
    Verdict.ERROR: "ERROR",
    Verdict.LOST: "MISS",
    Verdict.BLOCKED: "MISS",
    Verdict.NOT_RUN: "MISS",
    Verdict.ABSENT: "SKIP",
    Verdict.NOT_APPLICABLE: "SKIP",
    Verdict.WAIVED: "SKIP",
    Verdict.SKIP: "SKIP",
}
Object = dict[str, Any]


def render(record: Record, log_of: Callable[[Result], str] = lambda _: "") -> Object:
    """The record as a KCIDB report.

    Args:
        record: the run.
        log_of: the kernel's messages in a test, of which the end is kept.
    """
    kernels = {result.kernel: result for result in record.results}
    looked = {one.kernel: str(one) for one in coverage_of(record)}
    document = {
        "version": {"major": 5, "minor": 3},
        "checkouts": [_checkout(one) for one in kernels.values()],
        "builds": [_build(one, looked[spec]) for spec, one in kernels.items()],
        "tests": [_test(one, record, log_of(one)) for one in record.results],
    }
    linked = list(_incidents(record))
    if linked:
        known = {incident["issue_id"]: change for incident, change in linked}
        document["issues"] = [_issue(change) for change in known.values()]
        document["incidents"] = [incident for incident, _ in linked]
    checked: Object = kcidb_io.schema.V5_3.validate(document)
    return checked


def _build_id(result: Result) -> str:
    return f"{ORIGIN}:{digest(result.kernel, result.kernel_version)}"


def _test_id(result: Result, record: Record) -> str:
    return f"{ORIGIN}:{digest(record.started, result.kernel, result.kernel_version, result.test)}"


def _checkout(result: Result) -> Object:
    return {
        "id": _build_id(result),
        "origin": ORIGIN,
        "comment": one_line(f"{result.kernel} = {result.kernel_version}"),
        "valid": True,
        "misc": {"spec": printable(result.kernel)},
    }


def _build(result: Result, looked: str) -> Object:
    return {
        "id": _build_id(result),
        "checkout_id": _build_id(result),
        "origin": ORIGIN,
        "architecture": _architecture(result),
        "comment": one_line(result.kernel_version),
        "status": "PASS",
        "misc": {"coverage": printable(looked)},
    }


def _architecture(result: Result) -> str:
    """As the kernel's make calls it; a label names the one that does not go without saying."""
    named = (arch for arch in SUPPORTED if f"-{arch.debian}" in result.kernel_label)
    return next(named, DEFAULT).make


def _test(result: Result, record: Record, log: str) -> Object:
    test = {
        "id": _test_id(result, record),
        "build_id": _build_id(result),
        "origin": ORIGIN,
        "path": _path(result),
        "comment": one_line(title(result)),
        "status": _STATUSES[Verdict(result.verdict)],
        "duration": result.duration_s,
        "log_excerpt": _excerpt(result, log),
        "misc": {
            "test": printable(result.test),
            "verdict": result.verdict,
            "outcome": printable(result.outcome),
            "attempts": list(result.attempts),
        },
    }
    if record.started:
        test["start_time"] = record.started
    if record.environment:
        test["environment"] = {"misc": {k: printable(v) for k, v in record.environment.items()}}
    return test


def _path(result: Result) -> str:
    """`hotremove.1_rxe_memory_region_held.rdma`: the schema allows letters, digits, _ and -."""
    parts = ["hotremove", result.scenario, result.pin, result.memory, result.fault]
    safe = (re.sub(r"[^A-Za-z0-9_-]+", "_", part).strip("_") for part in parts)
    return ".".join(part for part in safe if part)


def _excerpt(result: Result, log: str) -> str:
    """The message whole, then as much of the log's end as there is room for."""
    message = clipped(printable(result.message), LONGEST_EXCERPT)
    room = LONGEST_EXCERPT - len(message) - 2
    if not log or room <= 0:
        return message
    return f"{message}\n\n{printable(log)[-room:]}" if message else printable(log)[-room:]


def _incidents(record: Record) -> Iterator[tuple[Object, Change]]:
    known_bugs = (r for r in record.results if r.verdict == Verdict.KNOWN_BUG)
    for result in known_bugs:
        for change in changes():
            if change.hash in result.message:
                yield _incident(result, change, record), change


def _incident(result: Result, change: Change, record: Record) -> Object:
    test = _test_id(result, record)
    return {
        "id": f"{ORIGIN}:{digest(test, change.hash)}",
        "origin": ORIGIN,
        "issue_id": f"{ORIGIN}:{change.hash}",
        "issue_version": 1,
        "test_id": test,
        "present": True,
    }


def _issue(change: Change) -> Object:
    return {
        "id": f"{ORIGIN}:{change.hash}",
        "version": 1,
        "origin": ORIGIN,
        "report_subject": change.subject,
        "culprit": {"code": True, "tool": False, "harness": False},
        "comment": one_line(f"{change}: {change.behaviour}"),
    }
