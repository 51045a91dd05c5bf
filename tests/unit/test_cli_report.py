# SPDX-License-Identifier: Apache-2.0
"""`hotremove report`: what it writes, and what it says of bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from report_samples import write_run

from hotremove.cli.main import main
from hotremove.results.bundle import pack


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


def test_every_format_is_written(run_dir: Path, tmp_path: Path):
    names = ("junit", "ktap", "kcidb", "markdown")
    words = [f"--{name}={tmp_path / name}" for name in names]
    assert main(["report", str(run_dir), *words]) == 0
    assert all((tmp_path / name).stat().st_size for name in names)
    (excerpt,) = (
        test["log_excerpt"]
        for test in json.loads((tmp_path / "kcidb").read_text())["tests"]
        if test["misc"]["verdict"] == "fail"
    )
    assert "page dumped because: migration failure" in excerpt


def test_a_bundle_and_a_file_are_runs_too(run_dir: Path, tmp_path: Path, capfdbinary):
    pack(run_dir, tmp_path / "run.tar.zst")
    told = []
    for run in (run_dir, run_dir / "results.json", tmp_path / "run.tar.zst"):
        assert main(["report", str(run), "--ktap", "-"]) == 0
        told.append(capfdbinary.readouterr().out)
    assert told[0] == told[1] == told[2]


def test_without_a_format_the_table_is_shown(run_dir: Path, capsys):
    assert main(["report", str(run_dir)]) == 0
    shown = capsys.readouterr().out
    assert "5.10.262" in shown
    assert (
        "1 fail, 1 lost, 1 error, 1 blocked, 1 not-run, 1 known-bug, 1 waived, 1 pass, "
        "1 not-applicable, 1 absent"
    ) in shown
    unseen = "not looked at: 1 blocked, 1 not run, 1 waived"
    assert "looked at 2 of the 5 selected rows this kernel allows (1 absent, 1 not app" in shown
    assert unseen in shown
    assert "\x1b[31m" not in shown


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "not a record of a run"),
        (b'{"schema": 1, "results": [{"kernel": "a', "not a record of a run"),
        (b'{"schema": 4, "results": []}', "schema 4, but this version reads 1, 2, 3"),
        (b'{"schema": 1, "results": [{"kernel": 5}]}', "not a record of a run"),
        (b"\xff\xfe", "not a record of a run"),
        (b"[" * 100000, "not a record of a run"),
        (b'{"schema": 1, "results": 7}', "not a record of a run"),
        (b'{"schema": 1, "started": 7, "results": []}', "not a record of a run"),
    ],
)
def test_bad_results_are_told_in_one_line_and_write_nothing(
    run_dir: Path, tmp_path: Path, capsys, content: bytes, told: str
):
    (run_dir / "results.json").write_bytes(content)
    assert main(["report", str(run_dir), "--ktap", str(tmp_path / "ktap")]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert told in said
    assert not (tmp_path / "ktap").exists()


def test_a_verdict_nobody_knows_is_refused(run_dir: Path, capsys):
    path = run_dir / "results.json"
    path.write_text(path.read_text().replace('"verdict": "pass"', '"verdict": "fine"'))
    assert main(["report", str(run_dir)]) == 2
    assert "'fine' is not a valid Verdict" in capsys.readouterr().err


def test_fields_of_a_later_schema_1_are_passed_over(run_dir: Path):
    path = run_dir / "results.json"
    path.write_text(path.read_text().replace('"pin":', '"later": [1], "pin":'))
    assert main(["report", str(run_dir)]) == 0


@pytest.mark.parametrize("name", ["../run", "/etc", ".", "..", "stuck/../../run"])
def test_evidence_outside_the_run_is_not_read(run_dir: Path, capsys, name: str):
    path = run_dir / "results.json"
    path.write_text(path.read_text().replace('"evidence": "stuck"', f'"evidence": "{name}"'))
    assert main(["report", str(run_dir), "--kcidb", "-"]) == 2
    assert "is not a folder beside the record" in capsys.readouterr().err


def test_nothing_is_written_when_one_place_cannot_be(run_dir: Path, tmp_path: Path, capsys):
    words = ["--junit", str(tmp_path / "junit"), "--ktap", str(tmp_path / "no/where")]
    assert main(["report", str(run_dir), *words]) == 4
    assert "cannot write" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


def test_no_run_at_all(tmp_path: Path, capsys):
    assert main(["report", str(tmp_path / "nothing")]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"hotremove: {tmp_path}/nothing: No such file or directory"
    ]


@pytest.mark.parametrize("words", [["--html", "-"], []])
def test_a_reader_that_has_seen_enough_is_no_error(run_dir: Path, words: list[str]):
    command = [sys.executable, "-m", "hotremove.cli", "report", str(run_dir), *words]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
