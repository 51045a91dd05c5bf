# SPDX-License-Identifier: Apache-2.0
"""The one record of a run, from which every report is made; docs/results.md explains the file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from hotremove import shapes
from hotremove.errors import DataProblem
from hotremove.faults.fault import NO_MIGRATION
from hotremove.pincost.model import Cost
from hotremove.verdict.verdict import Verdict

SCHEMA = 3
# Schema 1 had one word, `skip`, for whatever was not looked at, and left out what was not selected.
# Up to schema 2 there was one fault, and `fix_off` for it.
_READABLE = (1, 2, SCHEMA)
_ONE_FAULT = 2
FILE = "results.json"


@dataclass(frozen=True)
class Result:
    """What one test said of one kernel.

    Attributes:
        kernel: the spec it was given by, `debian:bookworm`.
        kernel_version: the most precise version known, `6.1.192-2`.
        kernel_label: the upstream point release, or what git calls it, as in the test's id.
        scenario: number and title of the row, `1 rxe memory region held`.
        test: pytest's node id.
        pin: the pin path, or empty.
        outcome: how the last removal ended, or empty when there was none.
        verdict: see hotremove.verdict.verdict.Verdict.
        duration_s: seconds on the host, with setup and teardown.
        evidence: directory of the test's evidence, relative to the record; or empty.
        message: why, in a line or a few.
        memory: how the memory came that was removed, as `virtio-mem`, where that is not the
            kernel's default; else empty.
        fault: the fault that the kernel had, which the test passes by noticing
            (`--hotremove-prove`); or empty.
        attempts: verdicts of earlier tries of the same test in the same run.
        costs: what it measured.
    """

    kernel: str
    kernel_version: str
    kernel_label: str
    scenario: str
    test: str
    pin: str
    outcome: str
    verdict: str
    duration_s: float
    evidence: str
    message: str = ""
    memory: str = ""
    fault: str = ""
    attempts: tuple[str, ...] = ()
    costs: tuple[Cost, ...] = ()

    def __post_init__(self) -> None:
        for verdict in (self.verdict, *self.attempts):
            Verdict(verdict)

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Result:
        """The result that `dataclasses.asdict` took apart."""
        return shapes.convert(facts, cls)

    @property
    def row(self) -> str:
        """The scenario with its pin path and its memory: a row of the summary table."""
        words = ", ".join(word for word in (self.pin, self.memory) if word)
        return f"{self.scenario} [{words}]" if words else self.scenario

    @property
    def flaky(self) -> bool:
        """Whether tries of the same test in one run differed."""
        return any(verdict != self.verdict for verdict in self.attempts)


@dataclass(frozen=True)
class Record:
    """Everything a run says.

    Attributes:
        results: one of each test.
        started: when the run began, ISO 8601 in UTC; or empty.
        environment: what it ran on and with, by name.
        left_out: how many scenarios were collected and not selected, by their kernel's spec.
    """

    results: tuple[Result, ...]
    started: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)


def renamed_test(test: str, pin: str) -> str:
    """Today's id of a test with the one fault that there was up to schema 2.

    Example:
        >>> renamed_test("t.py::test_x[6.1.192-fix-off-rdma-part]", "rdma")
        't.py::test_x[6.1.192-rdma-no-migration-part]'
    """
    old, new = "-fix-off", f"-{NO_MIGRATION}"
    return test.replace(f"{old}-{pin}", f"-{pin}{new}") if pin else test.replace(old, new)


def old_test(test: str, pin: str) -> str:
    """The id that `renamed_test` was given."""
    old, new = "-fix-off", f"-{NO_MIGRATION}"
    return test.replace(f"-{pin}{new}", f"{old}-{pin}") if pin else test.replace(new, old)


@dataclass(frozen=True)
class _OldResult(Result):
    """A result of schema 1 or 2."""

    fix_off: bool = False

    def renamed(self) -> Result:
        """The same in today's words, its test's id too."""
        facts = {one.name: getattr(self, one.name) for one in fields(Result)}
        if self.fix_off:
            facts |= {"fault": NO_MIGRATION, "test": renamed_test(self.test, self.pin)}
        return Result(**facts)


@dataclass(frozen=True)
class _OldRecord(Record):
    """A record of schema 1 or 2."""

    results: tuple[_OldResult, ...]

    def renamed(self) -> Record:
        results = tuple(one.renamed() for one in self.results)
        return Record(results, self.started, self.environment, self.left_out)


def write_record(directory: Path, record: Record) -> Path:
    """Write `results.json` into `directory`, whole or not at all."""
    document = {
        "schema": SCHEMA,
        "started": record.started,
        "environment": dict(record.environment),
        "left_out": dict(record.left_out),
        "results": [asdict(result) for result in record.results],
    }
    aside = directory / f".{FILE}.{os.getpid()}"
    try:
        aside.write_text(json.dumps(document, indent=1) + "\n")
        return aside.rename(directory / FILE)
    finally:
        aside.unlink(missing_ok=True)


def read_record(path: Path) -> tuple[Result, ...]:
    """The results in a `results.json`.

    Raises:
        DataProblem: it is missing, truncated, or of a newer schema.
    """
    return read_whole(path).results


def read_whole(path: Path) -> Record:
    """Read a `results.json`. Fields that this version does not know are passed over.

    Raises:
        DataProblem: it is missing, truncated, or of a newer schema.
    """
    try:
        return parse_record(path.read_bytes())
    except OSError as error:
        raise DataProblem(f"{path}: {error.strerror}") from error
    except DataProblem as error:
        raise DataProblem(f"{path}: {error}") from error


def parse_record(data: bytes) -> Record:
    """The record in the bytes of a `results.json`.

    Raises:
        DataProblem: it is truncated, or of a newer schema.
    """
    try:
        document = shapes.from_json(data, dict[str, Any])
        schema = document.get("schema")
        if schema in _READABLE:
            if schema <= _ONE_FAULT:
                return shapes.convert(document, _OldRecord).renamed()
            return shapes.convert(document, Record)
    except ValueError as error:
        raise DataProblem(f"not a record of a run: {error}") from error
    if schema is None:
        raise DataProblem("not a record of a run: `schema` is missing")
    known = ", ".join(map(str, _READABLE))
    raise DataProblem(f"schema {schema!r:.20}, but this version reads {known}")
