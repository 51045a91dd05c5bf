# SPDX-License-Identifier: Apache-2.0
"""What is new since the last run: where the history has one, and nothing where it has none."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_samples import make_result, old

from hotremove.analysis.history import History
from hotremove.analysis.news import news_of, since_last_filed
from hotremove.errors import DataProblem
from hotremove.results.record import Record

GOOD = make_result()
BAD = make_result(verdict="fail", outcome="stuck", message="stuck: a page")


def record(day: int, *results, **more) -> Record:
    return Record(results, f"2026-01-{day:02}T03:00:00+00:00", **more)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the history is, or is not."""
    path = tmp_path / "history.sqlite"
    monkeypatch.setenv("HOTREMOVE_HISTORY", str(path))
    return path


def test_without_a_history_nothing_is_said_and_none_is_made(place: Path):
    assert since_last_filed(record(3, BAD)) is None
    assert not place.exists()


def test_a_run_is_held_against_the_last_one_of_its_kernel(place: Path):
    with History(str(place)) as history:
        for day, result in ((1, BAD), (2, GOOD), (3, old())):
            history.add(record(day, result), f"night {day}")
        history.add(record(4, BAD), "this one")
        history.add(record(5, GOOD), "a later one")
    found = since_last_filed(record(4, BAD))
    assert found
    assert found.name == "night 2"
    assert found.since == "since the run of 2026-01-02 03:00 (night 2)"
    assert found.summary == "1 worse"
    assert found.worse == {("6.1.192-2", "scenarios/test_x.py::test_y"): "pass"}


def test_a_kernel_that_was_never_run_has_no_news(place: Path):
    with History(str(place)) as history:
        history.add(record(1, old()), "of another kernel")
    assert since_last_filed(record(2, GOOD)) is None


def test_what_is_no_history_is_told(place: Path):
    place.write_text("no database at all")
    with pytest.raises(DataProblem, match=r"history\.sqlite"):
        since_last_filed(record(2, GOOD))


def test_what_was_left_out_on_purpose_is_not_missed():
    before = record(1, GOOD, make_result(test="t.py::other"))
    assert news_of("x", before, record(2, GOOD)).summary == "1 no longer there"
    part = record(2, GOOD, left_out={"debian:bookworm": 1})
    assert news_of("x", before, part).summary == "nothing is new"


def test_the_gravest_comes_first():
    lost = make_result(test="t.py::a", scenario="9 cost", verdict="lost")
    before = record(1, GOOD, make_result(test="t.py::a", scenario="9 cost"))
    ((heading, told),) = news_of("x", before, record(2, lost, BAD)).told
    assert heading == "worse"
    assert [one.after for one in told] == ["fail (stuck)", "lost (removed)"]
