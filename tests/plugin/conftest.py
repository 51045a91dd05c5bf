# SPDX-License-Identifier: Apache-2.0
"""Runs of pytest with the plugin, in a folder of their own."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import kernel_samples as samples
import pytest

# Imported before any run: pytester forgets what a run in this process is the first to import, and a
# test that changes it would change what the next run does not see.
import hotremove.plugin.foresight
import hotremove.plugin.report_check
import hotremove.plugin.reporting
import hotremove.scenario
import hotremove.session.failures
import hotremove.session.farm
import hotremove.verdict.overdue  # noqa: F401

# hypothesis is imported anew in each run's end, which takes a second; the others are here for other
# people's projects, and would shuffle tests and print headers.
WITHOUT = ("hypothesispytest", "randomly", "benchmark")
PLUGINS = (
    *(word for name in WITHOUT for word in ("-p", f"no:{name}")),
    *("-p", "hotremove.plugin.short_options"),
)
ROOT = Path(__file__).resolve().parents[2]
SCENARIO = """
import pytest

@pytest.mark.hotremove
def test_boots(guest):
    pass
"""


@dataclass(frozen=True)
class Ended:
    """What a run came to."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line of a usage error."""
        assert self.code == 4, f"exit code {self.code}\n{self.out}\n{self.err}"
        assert "Traceback" not in self.out + self.err
        lines = [line for line in self.err.splitlines() if line.strip()]
        told = [line for line in lines if not line.startswith("hotremove: ")]
        assert len(told) == 1, f"more than one line: {told}"
        return told[0]

    @property
    def tests(self) -> list[str]:
        """The ids that `--collect-only -q` printed, without the file."""
        return re.findall(r"^\S+\.py::(\S+)$", self.out, re.MULTILINE)


Run = Callable[..., Ended]


@pytest.fixture
def kernel_image(tmp_path: Path) -> Path:
    """A file that looks like a kernel, to a farm that does not boot it."""
    path = tmp_path / "bzImage"
    path.write_bytes(samples.image())
    return path


@pytest.fixture
def run(pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run(*words)`: pytest on one scenario, or on the files that the test has made."""
    pytester.makeconftest((ROOT / "conftest.py").read_text())
    monkeypatch.setenv("HOTREMOVE_CACHE", str(tmp_path / "cache"))

    def go(*words: str | Path) -> Ended:
        if not list(pytester.path.glob("test_*.py")):
            pytester.makepyfile(test_it=SCENARIO)
        result = pytester.runpytest_inprocess(*PLUGINS, *words)
        return Ended(result.ret, result.stdout.str(), result.stderr.str())

    return go
