# SPDX-License-Identifier: Apache-2.0
"""Reports that are known and let pass: which, why, where and until when."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

from hotremove import shapes
from hotremove.errors import UsageProblem
from hotremove.observe.kernellog.report import Report, Reports
from hotremove.observe.kernellog.rules import default_rules


@dataclass(frozen=True)
class Scope:
    """Where an allowance holds: shell patterns for the kernel's version and the scenario's name."""

    kernel: str = "*"
    scenario: str = "*"

    def covers(self, kernel: str, scenario: str) -> bool:
        """Whether it holds for this kernel (`6.12.117`) and scenario (`test_rdma_pin`)."""
        return fnmatchcase(kernel, self.kernel) and fnmatchcase(scenario, self.scenario)


@dataclass(frozen=True)
class Allowance:
    """A report that may come up.

    Attributes:
        reason: why it is let pass; shown wherever the report is.
        kind: the kind of the report; None for any.
        pattern: regular expression found in its title or its fingerprint; None for any.
        expires: the last day on which it holds; None when it goes with the code it stands in.
        scope: the kernels and scenarios it holds for.
        source: where it is written, for messages.

    Raises:
        UsageProblem: it names neither a kind nor a pattern, an unknown kind, no reason, or
            something that is no regular expression.
    """

    reason: str
    kind: str | None = None
    pattern: str | None = None
    expires: date | None = None
    scope: Scope = Scope()
    source: str = "allowance"

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise UsageProblem(f"{self.source}: an allowance needs a reason")
        if self.kind is None and self.pattern is None:
            raise UsageProblem(f"{self.source}: an allowance needs a kind or a pattern")
        if self.kind is not None and self.kind not in default_rules().kinds:
            known = ", ".join(sorted(default_rules().kinds))
            raise UsageProblem(f"{self.source}: unknown kind {self.kind!r}; known are {known}")
        try:
            re.compile(self.pattern or "")
        except re.error as error:
            raise UsageProblem(f"{self.source}: pattern {self.pattern!r}: {error}") from None

    def has_expired(self, today: date) -> bool:
        """Whether its last day is past."""
        return self.expires is not None and today > self.expires

    def fits(self, report: Report) -> bool:
        """Whether it speaks of this report; expiry and scope are not looked at."""
        if self.kind is not None and report.kind != self.kind:
            return False
        if self.pattern is None:
            return True
        texts = (report.title, report.fingerprint)
        return any(re.search(self.pattern, text) for text in texts)

    def __str__(self) -> str:
        """`warning matching 'gup' (reason), until 2027-01-31`."""
        what = self.kind or "any report"
        matching = f" matching {self.pattern!r}" if self.pattern is not None else ""
        until = f", until {self.expires}" if self.expires else ""
        return f"{what}{matching} ({self.reason}){until}"


@dataclass(frozen=True)
class Judged:
    """What is to be said about the reports of one scenario.

    Attributes:
        failing: splats that nothing allows; each fails the scenario.
        allowed: reports that were let pass, each with the allowance that did it.
        notes: reports that only inform.
        expired: allowances that would have helped, had they not run out.
        unused: allowances in force that met no report. Whether that matters is for a whole run
            to say: an allowance may be there for a fault that comes up now and then.
        left_out: reports that were counted only, having the fingerprint of very many others.
    """

    failing: tuple[Report, ...]
    allowed: tuple[tuple[Report, Allowance], ...]
    notes: tuple[Report, ...]
    expired: tuple[Allowance, ...]
    unused: tuple[Allowance, ...]
    left_out: int = 0


def judge(
    reports: Iterable[Report],
    allowances: Sequence[Allowance],
    *,
    today: date,
    kernel: str = "",
    scenario: str = "",
) -> Judged:
    """Decide which reports fail a scenario.

    Args:
        reports: what its log holds.
        allowances: all that there are; those out of scope are neither used nor unused.
        today: the day by which they expire.
        kernel: the kernel's version, `6.12.117`.
        scenario: the scenario's name.
    """
    here = [one for one in allowances if one.scope.covers(kernel, scenario)]
    holding = [one for one in here if not one.has_expired(today)]
    left_out = reports.left_out if isinstance(reports, Reports) else 0
    reports = list(reports)
    allowed = [(report, by) for report in reports if (by := _first(holding, report))]
    passed = {id(report) for report, _ in allowed}
    failing = [one for one in reports if one.fails and id(one) not in passed]
    late = [one for one in here if one.has_expired(today) and any(map(one.fits, failing))]
    return Judged(
        failing=tuple(failing),
        allowed=tuple(allowed),
        notes=tuple(one for one in reports if not one.fails and id(one) not in passed),
        expired=tuple(late),
        unused=tuple(one for one in holding if not any(map(one.fits, reports))),
        left_out=left_out,
    )


@dataclass(frozen=True)
class _Entry:
    """What an [[allow]] table holds."""

    expires: date
    reason: str = ""
    kind: str | None = None
    pattern: str | None = None
    kernel: str = "*"
    scenario: str = "*"

    def __post_init__(self) -> None:
        if "" in (self.kind, self.pattern, self.kernel, self.scenario):
            raise ValueError("an empty text says nothing: leave the key out")

    def allowance(self, source: str) -> Allowance:
        scope = Scope(self.kernel, self.scenario)
        return Allowance(self.reason, self.kind, self.pattern, self.expires, scope, source)


@dataclass(frozen=True)
class _File:
    allow: tuple[_Entry, ...] = ()


def load_allowances(path: Path) -> tuple[Allowance, ...]:
    """Read an allow file: `[[allow]]` tables with `reason`, `expires`, and `kind` or `pattern`.

    `kernel` and `scenario` narrow where it holds. `expires` is a TOML date, `2027-01-31`.

    Raises:
        UsageProblem: the file cannot be read or says something else; names the file and the entry.
    """
    entries = shapes.read_toml(path, _File).allow
    return tuple(one.allowance(f"{path}: allow {n}") for n, one in enumerate(entries, 1))


def _first(allowances: Iterable[Allowance], report: Report) -> Allowance | None:
    return next((one for one in allowances if one.fits(report)), None)
