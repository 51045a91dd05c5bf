# SPDX-License-Identifier: Apache-2.0
"""The history: what is filed, what many runs show, and the page of all runs."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest
from lxml import html
from report_samples import EVIL, make_costs, make_record, make_result, old

from hotremove.analysis.history import History, _key
from hotremove.analysis.runs import since_last, trends, wavering
from hotremove.cache import digest
from hotremove.cli.main import main
from hotremove.errors import DataProblem
from hotremove.formats import history_page
from hotremove.results.record import Record, write_record


def run(day: int, *results) -> Record:
    return Record(tuple(results), f"2026-01-{day:02}T03:00:00+00:00", {"host": "x"})


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "deep" / "history.sqlite")


def test_what_is_filed_is_read_back(place: str):
    with History(place) as history:
        assert history.add(make_record(make_result(attempts=("fail",))), "first")
    with History(place) as history:
        (filed,) = history.runs()
    assert filed.name == "first"
    assert filed.record == make_record(make_result(attempts=("fail",)))


def test_costs_are_filed_in_a_history_from_before_there_were_any(place: str):
    with History(place) as history:
        history.add(make_record(), "old")
    with closing(sqlite3.connect(place)) as database:
        database.execute("drop table costs")
    measured = make_record(make_result(test="x.py::measured", costs=make_costs()))
    with History(place) as history:
        assert not history.add(make_record(), "old again")
        assert history.add(measured, "new")
    with History(place) as history:
        assert [one.record for one in history.runs()] == [make_record(), measured]


def test_a_run_is_filed_once(place: str):
    with History(place) as history:
        assert [history.add(make_record(), name) for name in ("a", "b")] == [True, False]
        assert [one.name for one in history.runs()] == ["a"]


def test_many_file_at_once(place: str):
    def file(day: int) -> bool:
        with History(place) as history:
            return history.add(run(day % 5 + 1, make_result()), f"{day}")

    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(file, range(20)))
    assert sum(added) == 5
    with History(place) as history:
        assert len(history.runs()) == 5


def test_nights_come_oldest_first_and_the_latest_can_be_had(place: str):
    with History(place) as history:
        for day in (2, 3, 1):
            history.add(run(day, make_result()), str(day))
        assert [one.name for one in history.runs()] == ["1", "2", "3"]
        assert [one.name for one in history.runs(latest=2)] == ["2", "3"]


def test_any_database_sqlalchemy_reaches(tmp_path: Path):
    with History(f"sqlite:///{tmp_path}/a.db") as history:
        history.add(make_record(), "x")
    assert sqlite3.connect(tmp_path / "a.db").execute("select count(*) from results").fetchone()


def test_the_place_comes_from_the_environment(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("HOTREMOVE_HISTORY", str(tmp_path / "named.sqlite"))
    with History() as history:
        assert history.runs() == []
    assert (tmp_path / "named.sqlite").exists()


def test_what_is_no_history_is_told_in_one_line(tmp_path: Path):
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"not a database " * 100)
    for place in (
        str(garbage),
        str(tmp_path),
        f"{garbage}/below",
        "nosuch://host/x",
        "postgresql+nosuch://user:secret@host/x",
        "://",
    ):
        with pytest.raises(DataProblem) as told:
            History(place)
        assert "\n" not in str(told.value)
        assert "secret" not in str(told.value)


def test_a_newer_schema_is_refused(place: str):
    with History(place):
        pass
    with sqlite3.connect(place) as connection:
        connection.execute("update hotremove set schema = 4")
    with pytest.raises(DataProblem, match="schema 4, but this version reads 3"):
        History(place)


def test_a_history_of_when_there_was_one_fault_is_read_on(place: str):
    proof = make_result(
        test="test_y[6.1.192-rdma-no-migration]", pin="rdma", fault="no-migration", outcome="stuck"
    )
    record = make_record(proof)
    with History(place) as history:
        history.add(record, "old")
    with closing(sqlite3.connect(place)) as database:
        database.execute("alter table results add column fix_off boolean not null default 0")
        database.execute(
            "update results set fix_off = 1, test = 'test_y[6.1.192-fix-off-rdma]' "
            "where fault = 'no-migration'"
        )
        database.execute("alter table results drop column fault")
        database.execute("alter table results drop column memory")
        database.execute("update hotremove set schema = 1")
        database.commit()
    with History(place) as history:
        (filed,) = history.runs()
        assert filed.record.results == record.results
        assert not history.add(record, "the same again")
        assert history.add(make_record(dataclasses.replace(proof, fault="anon")), "another fault")


def test_a_history_of_when_all_memory_came_in_one_way_is_read_on(place: str):
    record = make_record(make_result(test="test_y[6.1.192-rdma]"))
    with History(place) as history:
        history.add(record, "old")
    with closing(sqlite3.connect(place)) as database:
        database.execute("alter table results drop column memory")
        database.execute("update hotremove set schema = 2")
        database.commit()
    other = make_record(make_result(test="test_y[6.1.192-rdma-virtio-mem]", memory="virtio-mem"))
    with History(place) as history:
        assert not history.add(record, "the same again")
        assert history.add(other, "by virtio-mem")
        assert [one.record.results for one in history.runs()] == [record.results, other.results]


def test_a_run_is_known_by_what_it_was_filed_under_before_faults_had_names():
    proof = make_result(
        test="test_y[6.1.192-rdma-no-migration]", pin="rdma", fault="no-migration", outcome="stuck"
    )
    before = {**asdict(proof), "test": "test_y[6.1.192-fix-off-rdma]", "fix_off": True}
    for field in ("fault", "costs", "memory"):
        del before[field]
    facts = {"results": [before], "started": "2026", "environment": {}, "left_out": {}}
    assert _key(Record((proof,), "2026")) == digest(json.dumps(facts, sort_keys=True))


def filed(place: str, *records: Record):
    with History(place) as history:
        for number, record in enumerate(records):
            history.add(record, f"run {number}")
        return history.runs()


def test_trends_follow_a_spec_over_its_kernels(place: str):
    newer = make_result(
        kernel_version="6.1.193-1",
        kernel_label="6.1.193",
        test="scenarios/test_x.py::test_y[6.1.193]",
        verdict="fail",
        duration_s=8.2,
    )
    runs = filed(place, run(1, make_result()), run(2, old()), run(3, newer))
    first, second = trends(runs)
    assert (first.kernel, first.marks) == ("debian:bookworm", ". F")
    assert first.usual == pytest.approx(6.2)
    assert second.marks == " . "


def test_what_wavers_does_so_on_one_kernel(place: str):
    newer = make_result(
        kernel_version="6.1.193-1", test="scenarios/test_x.py::test_y[6.1.193]", verdict="fail"
    )
    same_fails = make_result(verdict="fail")
    assert not wavering(filed(place, run(1, make_result()), run(2, newer)))
    runs = filed(place, run(3, make_result(verdict="skip")), run(4, same_fails))
    (one,) = wavering(runs)
    assert one.verdicts == ("pass", "skip", "fail")


def test_tries_within_a_run_waver_too(place: str):
    assert wavering(filed(place, run(1, make_result(attempts=("fail",)))))


def test_a_run_is_held_against_the_last_of_its_kernels(place: str):
    runs = filed(place, run(1, make_result()), run(2, old()))
    found = since_last(runs, run(3, make_result(verdict="fail")))
    assert found
    assert found.regressions
    assert not found.gone
    assert since_last(runs, run(3, make_result(kernel="dir:/x"))) is None


def test_a_run_is_not_held_against_a_later_one(place: str):
    runs = filed(place, run(1, make_result()), run(9, make_result(verdict="fail")))
    found = since_last(runs, run(5, make_result(verdict="fail")))
    assert found
    assert found.regressions


def test_the_page_shows_every_night_and_escapes(place: str):
    runs = filed(
        place,
        run(1, make_result(), old(verdict="fail", message=EVIL)),
        run(2, make_result(verdict="fail", attempts=("pass",))),
    )
    text = history_page.render(runs)
    document = html.document_fromstring(text)
    assert not document.xpath("//script")
    heads = document.xpath('(//table[@class="matrix"])[1]/thead//a/text()')
    assert heads == ["2026-01-02", "2026-01-01"]
    cells = document.xpath('(//table[@class="matrix"])[1]//td/span[contains(@class, "v ")]/text()')
    assert cells == ["fail, flaky", "pass"]
    places = document.xpath("//@id")
    assert all(link[1:] in places for link in document.xpath("//a/@href"))
    assert "pass, pass, fail" in text


def save(folder: Path, record: Record) -> Path:
    folder.mkdir()
    write_record(folder, record)
    return folder


def test_the_commands(tmp_path: Path, place: str, capsys):
    first = save(tmp_path / "1", run(1, make_result()))
    second = save(tmp_path / "2", run(2, make_result(verdict="fail", outcome="stuck")))
    page = tmp_path / "page.html"
    assert main(["history", "--db", place, "add", str(first)]) == 0
    assert main(["history", "--db", place, "add", str(second), "--page", str(page)]) == 1
    assert "1 regression" in capsys.readouterr().out
    assert main(["history", "--db", place, "add", str(second)]) == 0
    assert "filed already" in capsys.readouterr().out
    for action, wanted in (
        ("list", "2026-01-02"),
        ("flakes", "pass, fail"),
        ("trends", ".F"),
    ):
        assert main(["history", "--db", place, action]) == 0
        assert wanted in capsys.readouterr().out
    assert main(["history", "--db", place, "page", str(tmp_path / "again.html")]) == 0
    assert (tmp_path / "again.html").read_text() == page.read_text()


def test_bad_input_is_one_line(tmp_path: Path, place: str, capsys):
    (tmp_path / "results.json").write_text('{"schema": 1, "results": [')
    assert main(["history", "--db", place, "add", str(tmp_path)]) == 2
    assert main(["history", "--db", str(tmp_path), "list"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_an_empty_history_says_nothing(place: str, capsys):
    for action in ("list", "flakes", "trends"):
        assert main(["history", "--db", place, action]) == 0
    assert capsys.readouterr().out == "nothing\n" * 3
