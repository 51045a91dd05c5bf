# SPDX-License-Identifier: Apache-2.0
"""Without the extra `reports`: runs and their reports go on, and what takes it says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from report_samples import make_costs, make_record, make_result, write_run

WITHOUT = """\
import sys
sys.modules.update(dict.fromkeys(("kcidb_io", "matplotlib", "sqlalchemy")))
from pathlib import Path
import hotremove.plugin
from hotremove.cli.main import main
from hotremove.formats.outputs import write_beside
"""
HINT = "pip install 'pytest-hotremove[reports]'"


def without(code: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + code, *words], capture_output=True, text=True
    )


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", make_record(make_result(costs=make_costs())))


def test_a_run_leaves_all_but_the_plot(run_dir: Path) -> None:
    done = without("write_beside(Path(sys.argv[1]) / 'results.json')", run_dir)
    assert done.returncode == 0, done.stderr
    told = f"hotremove: left out: a plot of what pins cost takes matplotlib: {HINT}\n"
    assert done.stderr == told
    names = {path.name for path in run_dir.iterdir()}
    assert {"report.html", "report.md", "results.ktap"} <= names
    assert "pin-cost.png" not in names
    page = (run_dir / "report.html").read_text()
    assert 'class="plot"' not in page
    assert "rdma anon Movable" in page


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["report", "RUN", "--kcidb", "-"], "KCIDB takes kcidb_io"),
        (["history", "--db", "RUN/h.sqlite", "list"], "a history takes sqlalchemy"),
    ],
)
def test_a_command_that_takes_it_ends_with_one_line(
    run_dir: Path, words: list[str], told: str
) -> None:
    done = without(
        "sys.exit(main(sys.argv[1:]))", *(one.replace("RUN", str(run_dir)) for one in words)
    )
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr == f"hotremove: {told}: {HINT}\n"


def test_other_formats_do_not_take_it(run_dir: Path) -> None:
    words = [f"--{name}={run_dir}/{name}" for name in ("junit", "ktap", "markdown")]
    assert without("sys.exit(main(sys.argv[1:]))", "report", run_dir, *words).returncode == 0
