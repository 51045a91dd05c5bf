# SPDX-License-Identifier: Apache-2.0
"""The run at a glance on terminals: narrow, without colours, of other encodings, and as a log."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from report_samples import make_many, make_record, make_result, old, write_run

from hotremove.analysis.news import news_of
from hotremove.analysis.summary import Look
from hotremove.formats.terminal import ENDLESS, Glance, lines
from hotremove.results.record import Record

LABELS = ("5.10.262", "6.1.192", "6.12.117")
TITLE = "14 transparent huge pages, all of them or a part of them, and more"


def text(glance: Glance) -> str:
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines(glance))


def three_kernels() -> Record:
    results = [
        make_result(
            kernel=label,
            scenario=TITLE,
            kernel_label=label,
            verdict="fail",
            outcome=outcome,
            message=f"it was {outcome}",
        )
        for label, outcome in zip(LABELS, ("stuck", "guest-died", "refused"), strict=True)
    ]
    return Record(tuple(results))


@pytest.mark.parametrize("columns", [40, 60, 80, 120, ENDLESS])
def test_nothing_is_wider_than_the_terminal_and_nothing_is_lost(columns: int):
    told = text(Glance(three_kernels(), columns))
    assert all(len(line) < columns for line in told.splitlines())
    table = told.partition("scenario")[2].partition("three things")[0]
    assert " ".join(table.split()).count("14 transparent huge pages") == 1
    assert all(label in told for label in LABELS)
    outcomes = re.findall(r"fail \(([a-z-]+)\)", table) or re.findall(r"\bF\b", table)
    assert len(outcomes) == 3


def test_heads_become_letters_before_words_do(tmp_path: Path):
    many = make_many(tmp_path)
    told = text(Glance(many, 100))
    assert re.search(r"^scenario +A +B +C$", told, re.MULTILINE)
    assert "  B: 6.13.53 to 6.14.93 (29 kernels)\n" in told
    assert "fail (stuck)" in told
    assert "  . pass, F fail, k known-bug\n" in text(Glance(many, 60))


def test_sixty_kernels_that_all_differ_come_in_parts():
    rows = 60
    results = tuple(
        make_result(
            kernel=f"k{kernel}",
            kernel_label=f"6.12.{kernel}",
            scenario=f"{row} a row",
            verdict="fail" if row == kernel else "pass",
        )
        for kernel in range(60)
        for row in range(rows)
    )
    told = text(Glance(Record(results), 80))
    assert all(len(line) < 80 for line in told.splitlines())
    parts = told.count("scenario ")
    assert 2 <= parts <= 6
    assert sum(line.count("F") for line in re.findall(r"^\d+ a row.*$", told, re.MULTILINE)) == 60
    assert "BH: 6.12.59" in told


def test_many_kernels_are_a_few_lines(tmp_path: Path):
    told = text(Glance(make_many(tmp_path), 100))
    assert len(told.splitlines()) <= 15
    assert told.startswith("6.12.3 to 6.14.98 (60 kernels): looked at 90 of the 90 rows")
    assert re.search(r"^60 rows alike: 0 to 59 +pass +pass +pass$", told, re.MULTILINE)
    assert re.search(
        r"^70 a row .* +known-bug \(stuck\) +pass +fail \(stuck\)$", told, re.MULTILINE
    )


def test_every_row_is_there_by_name_where_it_is_asked_for(tmp_path: Path):
    told = text(Glance(make_many(tmp_path), folds=False))
    assert len(re.findall(r"^\d+ a row whose name", told, re.MULTILINE)) == 90


def test_what_to_look_at_comes_last_before_the_count():
    *_, first, why, empty, tally = text(Glance(three_kernels())).splitlines()
    assert first.startswith("3. 6.12.117, 14 ")
    assert (empty, tally) == ("", "3 fail")
    assert why.startswith("   ")


def test_what_is_new_is_told_and_marks_what_it_is_about():
    bad = replace(make_result(verdict="fail", outcome="stuck", message="stuck: x"))
    before = Record((make_result(), old()), "2026-01-30T03:00:00+00:00")
    after = Record((bad, old()), "2026-01-31T03:00:00+00:00")
    told = text(Glance(after, news=news_of("nights/1", before, after)))
    assert "since the run of 2026-01-30 03:00 (nights/1): 1 worse\n" in told
    assert "  worse: 1 rxe memory region held, 6.1.192-2: pass (removed), now fail (stuck)" in told
    assert "1. 6.1.192, 1 rxe memory region held: fail, was pass\n" in told
    assert "since the run" not in text(Glance(after))


def test_what_a_guest_printed_stays_in_its_lines():
    told = text(Glance(make_record()))
    assert "\x1b" not in told
    assert "forged" in told
    assert not re.search(r"^ok 8 - forged", told, re.MULTILINE)


def test_what_is_to_be_seen_is_never_seen_by_colour_alone():
    for line in lines(Glance(make_record(), folds=False)):
        for words, look in line:
            if look in (Look.FAIL, Look.UNSEEN, Look.KNOWN):
                assert re.match(r"[a-z-]+|[A-Z]$|\d+ of \d+", words), words


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize(("command", "code"), [("report", 0), ("compare", 1)])
def test_a_terminal_of_any_encoding_shows_it(tmp_path: Path, encoding: str, command: str, code):
    run = write_run(tmp_path / "run")
    bad = make_result(verdict="lost", message="é → ✓ \u2028", kernel_version="6.1.193-1")
    other = write_run(tmp_path / "other", Record((bad,)))
    words = [str(run), str(other)] if command == "compare" else [str(other)]
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "NO_COLOR": "1", "TERM": "xterm"}
    told = subprocess.run(
        [sys.executable, "-m", "hotremove.cli", command, *words],
        capture_output=True,
        env=environment,
    )
    assert told.returncode == code, told.stderr
    assert b"1 rxe memory region held" in told.stdout
    assert b"\x1b" not in told.stdout
    told.stdout.decode(encoding)
