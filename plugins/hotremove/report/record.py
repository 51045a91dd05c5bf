# SPDX-License-Identifier: Apache-2.0
"""The one record of a run, from which every report is made."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hotremove.errors import UsageProblem

SCHEMA = 1
FILE = "results.json"


@dataclass(frozen=True)
class Result:
    """What one test said of one kernel.

    Attributes:
        kernel: the spec it was given by, `debian:bookworm`.
        kernel_version: the most precise version known, `6.1.192-2`.
        kernel_label: the upstream point release, as in the test's id.
        scenario: number and title of the row, `1 rxe memory region held`.
        test: pytest's node id.
        pin: the pin path, or empty.
        outcome: how the last removal ended, or empty when there was none.
        verdict: see hotremove.verdict.outcome.Verdict.
        duration_s: seconds on the host, with setup and teardown.
        evidence: directory of the test's evidence, relative to the record; or empty.
        message: why, in a line or a few.
        fix_off: the run had the fix turned off, and passes by failing (`--prove`).
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
    fix_off: bool = False

    @property
    def row(self) -> str:
        """The scenario with its pin path: a row of the summary table."""
        return f"{self.scenario} [{self.pin}]" if self.pin else self.scenario


def write_record(directory: Path, results: Iterable[Result]) -> Path:
    """Write `results.json` into `directory`, whole or not at all."""
    document = {"schema": SCHEMA, "results": [asdict(result) for result in results]}
    aside = directory / f".{FILE}.{os.getpid()}"
    aside.write_text(json.dumps(document, indent=1) + "\n")
    return aside.rename(directory / FILE)


def read_record(path: Path) -> tuple[Result, ...]:
    """Read a `results.json`.

    Raises:
        UsageProblem: it is missing, truncated, or of a newer schema.
    """
    try:
        document: Mapping[str, Any] = json.loads(path.read_text())
        schema = document["schema"]
        if schema != SCHEMA:
            raise UsageProblem(f"{path}: schema {schema}, but this version reads {SCHEMA}")
        return tuple(Result(**row) for row in document["results"])
    except OSError as error:
        raise UsageProblem(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageProblem(f"{path}: not a record of a run: {error}") from error
