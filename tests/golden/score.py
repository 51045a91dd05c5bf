# SPDX-License-Identifier: Apache-2.0
"""How well the golden logs are read, against what a developer says of them in bugs.toml.

python tests/golden/score.py
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from hotremove.observe.kernellog.dmesg import find_reports, read_lines
from hotremove.observe.kernellog.report import Report

GOLDEN = Path(__file__).parent


@dataclass
class Score:
    """What was found in the logs that were read so far; each list is of lines to show.

    Attributes:
        bugs: reports there are.
        named: of these, how many name a function.
        missed: reports that were not found, or under another kind.
        misnamed: reports whose fingerprint lacks the function to look at.
        false_alarms: failing reports that are none.
        prints: the bugs that each fingerprint was given to.
    """

    bugs: int = 0
    named: int = 0
    missed: list[str] = field(default_factory=list)
    misnamed: list[str] = field(default_factory=list)
    false_alarms: list[str] = field(default_factory=list)
    prints: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    @property
    def shared(self) -> dict[str, set[str]]:
        """Fingerprints that stand for more than one bug."""
        return {print_: bugs for print_, bugs in self.prints.items() if len(bugs) > 1}

    def add(self, name: str, found: list[Report], expected: list[str]) -> None:
        """Take in one log."""
        left = list(found)
        for bug in expected:
            kind, _, function = bug.partition(" ")
            self.bugs += 1
            self.named += bool(function)
            report = next((one for one in left if one.kind == kind), None)
            if report is None:
                self.missed.append(f"{name}: {bug}")
                continue
            left.remove(report)
            if function and function not in report.fingerprint.split(":")[1:]:
                self.misnamed.append(f"{name}: {bug}: {report.fingerprint}")
            if function:
                self.prints[report.fingerprint].add(bug)
        self.false_alarms += [f"{name}: {one.kind}: {one.title}" for one in left]

    def __str__(self) -> str:
        return (
            f"{self.bugs - len(self.missed)} of {self.bugs} reports found, "
            f"{len(self.false_alarms)} false alarms, "
            f"{len(self.misnamed)} of {self.named} without the function to look at, "
            f"{len(self.shared)} fingerprints of several bugs"
        )


def expected_bugs(name: str, bugs: dict[str, list[str]]) -> list[str]:
    """What bugs.toml says of a log; nothing when it does not name it."""
    return next((found for pattern, found in bugs.items() if fnmatch(name, pattern)), [])


def score_golden_logs() -> Score:
    """Read every golden log."""
    bugs = tomllib.loads((GOLDEN / "bugs.toml").read_text(encoding="utf-8"))
    score = Score()
    for log in sorted(GOLDEN.glob("*.log")):
        with log.open("rb") as stream:
            failing = [one for one in find_reports(read_lines(stream)) if one.fails]
        score.add(log.stem, failing, expected_bugs(log.stem, bugs))
    return score


if __name__ == "__main__":
    result = score_golden_logs()
    for heading in ("missed", "misnamed", "false_alarms", "shared"):
        for line in getattr(result, heading):
            print(f"{heading}: {line}")
    print(result)
