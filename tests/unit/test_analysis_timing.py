# SPDX-License-Identifier: Apache-2.0
"""Where the time of tests went."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from report_samples import make_record, make_result, write_run

from hotremove.analysis.timing import Spent, by_span, by_test, own_seconds
from hotremove.cli.main import main
from hotremove.formats.html import render
from hotremove.observe.timeline import Moment
from hotremove.results.case import Case
from hotremove.results.source import opened

# As they end: what lies within others comes before them.
MOMENTS = (
    Moment("libvirt restores", 0.1, 0.4),
    Moment("agent: ping", 0.5, 0.1),
    Moment("restored", 0.1, 0.6),
    Moment("set up", 0.0, 1.0),
    Moment("map 128 MiB", 1.0, 0.5),
    Moment("map 4 MiB", 1.5, 0.25),
    Moment("scenario", 1.0, 2.0),
)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    rows = [[one.name, one.start, one.seconds] for one in MOMENTS]
    (tmp_path / "timeline.json").write_text(json.dumps(rows))
    return Case(make_result(), tmp_path)


def test_a_second_belongs_to_the_innermost_moment() -> None:
    own = {name: round(seconds, 3) for name, seconds in own_seconds(MOMENTS)}
    assert own == {
        "set up": 0.4,
        "restored": 0.1,
        "libvirt restores": 0.4,
        "restored, agent: ping": 0.1,
        "scenario": 1.25,
        "map 128 MiB": 0.5,
        "map 4 MiB": 0.25,
    }


def test_no_second_counts_twice_and_none_is_left_out() -> None:
    assert sum(seconds for _, seconds in own_seconds(MOMENTS)) == pytest.approx(3.0)


def test_rounded_times_are_put_into_what_they_lie_in() -> None:
    moments = (Moment("scenario", 0.0, 1.0), Moment("map 4 MiB", 0.5, 0.501))
    assert dict(own_seconds(moments)) == {
        "scenario": pytest.approx(0.499),
        "map 4 MiB": pytest.approx(0.501),
    }


def test_sizes_are_added_up_and_the_longest_comes_first(case: Case) -> None:
    first, second, *_ = by_span([case])
    assert (first.name, second) == ("scenario", Spent("map", 0.75, 2))
    (test,) = by_test([case, Case(make_result(), None)])
    assert (test.row, test.seconds) == ("1 rxe memory region held", pytest.approx(3.0))
    assert test.spans == by_span([case])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("offline memory33", "offline memory"),
        ("plug 512 MiB", "plug"),
        ("remove by ACPI eject", "remove by ACPI eject"),
        ("agent: run", "agent: run"),
    ],
)
def test_numbers_make_no_kind_of_their_own(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / "timeline.json").write_text(json.dumps([[name, 0.0, 1.0]]))
    assert by_span([Case(make_result(), tmp_path)]) == (Spent(kind, 1.0, 1),)


def test_the_command_and_the_page_tell_it(tmp_path: Path, capsys) -> None:
    timed = make_result(test="t.py::test_timed", evidence="timed")
    run = write_run(tmp_path, make_record(timed))
    (run / "timed").mkdir()
    rows = [[one.name, one.start, one.seconds] for one in MOMENTS]
    (run / "timed/timeline.json").write_text(json.dumps(rows))
    assert main(["time", str(run), "--tests", "1"]) == 0
    told = capsys.readouterr().out
    assert "libvirt restores" in told
    with opened(run) as source:
        page = render(source)
    assert "Where the time went" in page
    assert '<th scope="row">libvirt restores</th>' in page


def test_a_run_without_evidence_has_no_times(tmp_path: Path, capsys) -> None:
    run = write_run(tmp_path)
    (run / "stuck/timeline.json").unlink()
    assert main(["time", str(run)]) == 0
    assert "0.0 s in 0 tests" in capsys.readouterr().out
