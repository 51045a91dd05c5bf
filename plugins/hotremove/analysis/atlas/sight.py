# SPDX-License-Identifier: Apache-2.0
"""What kernels showed of rows, out of many filed runs: the latest look that somebody took."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hotremove.analysis.history import FiledRun
from hotremove.lineage import release
from hotremove.lineage.changes import Change, Lineage
from hotremove.results.naming import is_told_by_version, title
from hotremove.results.record import Result
from hotremove.verdict.verdict import LOOKED, NOT_ALLOWED, Verdict

# Rows that need a module of the farm's end so where the archive has no headers any more.
_MODULES = re.compile(r"\bheaders\b|\bwithout modules\b|\bmodules? (?:can|could)not be built")
# What a run by the lineage's expectations has put behind the evidence.
_KNOWN = re.compile(r" \[known: [^\]\n]*\]")
FAILED = frozenset({Verdict.FAIL, Verdict.KNOWN_BUG})
"""The kernel does not do what the row asks for."""


@dataclass(frozen=True)
class Sight:
    """What one run showed of a row on a kernel.

    Attributes:
        verdict: as the result has it.
        outcome: how the last removal ended; or empty.
        message: the first line of why.
        run: number of the run in the history.
        spec: the kernel's.
        spoiler: the bug of the kernel's that any row may fail by, where the row failed by it.
    """

    verdict: Verdict
    outcome: str
    message: str
    run: int
    spec: str = ""
    spoiler: Change | None = None

    @property
    def failed(self) -> bool:
        """Whether the kernel did not do what the row asks for."""
        return self.verdict in FAILED

    @property
    def told(self) -> str:
        """`pass (removed)`: rows that differ in this come out otherwise."""
        return f"{self.verdict} ({self.outcome})" if self.outcome else str(self.verdict)

    @property
    def says_something(self) -> bool:
        """Whether it says something of the kernel: somebody looked, or there is nothing to see."""
        return self.verdict in LOOKED | NOT_ALLOWED

    @property
    def lacks_headers(self) -> bool:
        """Whether nobody looked because the farm's modules could not be built."""
        return not self.says_something and _MODULES.search(self.message) is not None


@dataclass(frozen=True)
class Seen:
    """All that was seen.

    Attributes:
        kernels: versions, oldest first; two builds of one version have their specs behind it.
        rows: each row with what was seen of it, by the kernel.
    """

    kernels: tuple[str, ...]
    rows: Mapping[str, Mapping[str, Sight]]


def sights(runs: Sequence[FiledRun], wanted: Iterable[str] = ()) -> Seen:
    """What the runs show; of one kernel and row the latest look counts.

    Args:
        runs: the history, oldest first.
        wanted: schemes of the kernels that count, `debian`; all if there are none.
    """
    schemes = frozenset(wanted)
    rows: dict[str, dict[str, Sight]] = {}
    for run in runs:
        for result in run.record.results:
            if not result.fault and (not schemes or _scheme(result) in schemes):
                _take(rows.setdefault(title(result), {}), result, run.number)
    kernels = {kernel for row in rows.values() for kernel in row}
    return Seen(tuple(sorted(kernels, key=release.order)), rows)


def kernel_name(result: Result) -> str:
    """The version; behind it the spec, where it was built otherwise than its vendor does.

    For another processor it is another kernel, too.
    """
    version = result.kernel_version
    return version if is_told_by_version(result.kernel) else f"{version} ({result.kernel})"


def _take(row: dict[str, Sight], result: Result, run: int) -> None:
    """Keep a look; one that says nothing does not take the place of one that does."""
    message = result.message.partition("\n")[0]
    verdict, spoiler = Verdict(result.verdict), _spoiler(result)
    sight = Sight(verdict, result.outcome, message, run, result.kernel, spoiler)
    before = row.get(kernel_name(result))
    if before is None or sight.says_something or not before.says_something:
        row[kernel_name(result)] = sight


def _spoiler(result: Result) -> Change | None:
    """What spoiled a row that is not about it."""
    if Verdict(result.verdict) not in FAILED:
        return None
    plain = _KNOWN.sub("", result.message, count=1)
    return Lineage(release.parse(result.kernel_version)).spoiler(plain)


def _scheme(result: Result) -> str:
    return result.kernel.partition(":")[0]
