# SPDX-License-Identifier: Apache-2.0
"""Two runs held against each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from report_samples import make_costs, make_result, old

from hotremove.analysis.compare import compare
from hotremove.cli.main import main
from hotremove.results.bundle import pack
from hotremove.results.naming import nameless, title
from hotremove.results.record import Record, write_record
from hotremove.verdict.verdict import Verdict


def make(folder: Path) -> Path:
    folder.mkdir()
    return folder


def runs(before, after):
    return compare(Record(tuple(before)), Record(tuple(after)))


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("pass", "fail", "regressions"),
        ("pass", "lost", "regressions"),
        ("pass", "error", "regressions"),
        ("pass", "known-bug", "regressions"),
        ("skip", "fail", "regressions"),
        ("known-bug", "fail", "regressions"),
        ("fail", "pass", "fixes"),
        ("known-bug", "pass", "fixes"),
        ("fail", "known-bug", "fixes"),
        ("pass", "absent", "regressions"),
        ("pass", "not-applicable", "regressions"),
        ("pass", "waived", "regressions"),
        ("pass", "blocked", "regressions"),
        ("pass", "not-run", "regressions"),
        ("pass", "skip", "regressions"),
        ("blocked", "pass", "fixes"),
        ("absent", "waived", "changes"),
        ("fail", "lost", "changes"),
        ("waived", "known-bug", "changes"),
        ("known-bug", "waived", "changes"),
        ("known-bug", "absent", "changes"),
        ("not-applicable", "known-bug", "changes"),
        ("known-bug", "blocked", "regressions"),
        ("blocked", "known-bug", "fixes"),
        ("waived", "pass", "fixes"),
    ],
)
def test_what_a_change_of_verdict_is(before: str, after: str, kind: str):
    found = runs([make_result(verdict=before)], [make_result(verdict=after)])
    (one,) = getattr(found, kind)
    assert (one.before, one.after) == (f"{before} (removed)", f"{after} (removed)")
    assert len(found.regressions) + len(found.fixes) + len(found.changes) == 1


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_run_does_not_differ_from_itself(verdict: Verdict):
    results = [make_result(verdict=str(verdict)), old(verdict=str(verdict))]
    assert runs(results, results).summary == "no difference"


def test_a_pass_by_another_outcome_is_a_change():
    found = runs([make_result(outcome="stuck")], [make_result(outcome="removed")])
    assert found.changes[0].before == "pass (stuck)"


def test_the_next_point_release_is_held_against_the_last():
    newer = make_result(
        verdict="fail",
        kernel_version="6.1.193-1",
        kernel_label="6.1.193",
        test="scenarios/test_x.py::test_y[6.1.193]",
    )
    (one,) = runs([make_result()], [newer]).regressions
    assert one.kernels == ("6.1.192-2", "6.1.193-1")
    assert one.test == "scenarios/test_x.py::test_y"


def test_two_single_kernels_are_held_against_each_other():
    found = runs([old(verdict="fail", outcome="stuck")], [make_result()])
    assert [one.kernels for one in found.fixes] == [("5.10.262-1", "6.1.192-2")]


def test_of_many_kernels_only_the_same_are():
    others = [
        make_result(kernel="a"),
        make_result(kernel="b"),
        make_result(),
    ]
    found = runs([old(verdict="fail"), make_result(verdict="fail")], others)
    assert len(found.fixes) == 1
    assert (len(found.gone), len(found.added)) == (1, 2)


def test_a_run_with_a_fault_is_another_test():
    proof = make_result(
        fault="no-migration",
        verdict="fail",
        test="scenarios/test_x.py::test_y[6.1.192-no-migration]",
    )
    found = runs([make_result()], [make_result(), proof])
    assert not found.regressions
    assert found.added == (proof.test,)


def test_ids_lose_their_kernel_alone():
    test = "s/test_x.py::test_y"
    for given, wanted in (
        (f"{test}[6.1.192]", test),
        (f"{test}[6.1.192-rdma]", f"{test}[rdma]"),
        (f"{test}[6.1.1923]", f"{test}[6.1.1923]"),
        (test, test),
    ):
        assert nameless(make_result(test=given)) == wanted


def test_a_title_tells_one_test_of_a_kernel():
    test = "s/test_x.py::test_y[6.1.192-memfd-64]"
    assert title(make_result(test=test)) == "1 rxe memory region held [memfd-64]"
    assert title(make_result()) == "1 rxe memory region held"
    assert title(make_result(test="s::test_y", pin="vfio")) == "1 rxe memory region held [vfio]"


def test_flakes_are_those_of_the_later_run():
    flaky = make_result(attempts=("fail", "pass"))
    assert not runs([flaky], [make_result()]).flakes
    assert runs([make_result()], [flaky]).flakes[0].verdicts == ("fail", "pass", "pass")
    assert not runs([], [make_result(attempts=("pass",))]).flakes


def test_a_pace_is_told_when_it_is_no_noise():
    slow = make_result(duration_s=14.0)
    assert runs([make_result(duration_s=5.0)], [slow]).paces[0].after == 14.0
    assert runs([slow], [make_result(duration_s=5.0)]).paces
    assert not runs([make_result(duration_s=10.0)], [slow]).paces
    assert not runs([make_result(duration_s=0.1)], [make_result(duration_s=4.0)]).paces
    stuck = make_result(duration_s=40.0, verdict="fail")
    assert not runs([make_result()], [stuck]).paces


def save(folder: Path, *results) -> Path:
    folder.mkdir()
    write_record(folder, Record(tuple(results)))
    return folder


def test_the_command_says_what_got_worse(tmp_path: Path, capsys):
    good = save(tmp_path / "a", make_result())
    bad = save(tmp_path / "b", make_result(verdict="fail", outcome="stuck", attempts=("pass",)))
    pack(bad, tmp_path / "b.tar.zst")
    assert main(["compare", str(good), str(tmp_path / "b.tar.zst")]) == 1
    told = capsys.readouterr().out
    assert "1 rxe memory region held pass (removed) fail (stuck) 6.1.192-2" in " ".join(
        told.split()
    )
    assert "flaky: 1 rxe memory region held on 6.1.192-2: pass, fail" in told
    assert "1 regression, 1 flake" in told
    assert main(["compare", str(bad), str(good)]) == 0


def test_the_command_tells_programs_too(tmp_path: Path, capsys):
    good = save(tmp_path / "a", make_result())
    bad = save(tmp_path / "b", make_result(verdict="fail", outcome="stuck"))
    assert main(["compare", "--json", str(good), str(bad)]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == 1
    assert told["regressions"][0]["after"] == "fail (stuck)"


def test_a_damaged_run_is_told_in_one_line(tmp_path: Path, capsys):
    good = save(tmp_path / "a", make_result())
    (tmp_path / "b.json").write_text('{"schema": 9, "results": []}')
    assert main(["compare", str(good), str(tmp_path / "b.json")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_long_list_of_tests_is_cut(tmp_path: Path, capsys):
    many = [make_result(test=f"s/test_x.py::test_{n}[6.1.192]") for n in range(8)]
    old_run, new_run = save(tmp_path / "a", *many), save(tmp_path / "b")
    assert main(["compare", str(old_run), str(new_run)]) == 0
    told = capsys.readouterr().out
    assert told.count("no longer there:") == 6
    assert "no longer there: 3 more tests" in told


def test_a_pin_that_costs_more_is_told_and_is_no_regression(tmp_path: Path, capsys):
    a, b = make(tmp_path / "a"), make(tmp_path / "b")
    write_record(a, Record((make_result(costs=make_costs(7500)),)))
    write_record(b, Record((make_result(costs=make_costs(7800)),)))
    assert main(["compare", str(a), str(b)]) == 0
    said = capsys.readouterr().out
    assert (
        "dearer: rdma anon Movable, 16 MiB on 6.1.192-2: "
        "7500, now 7800 instructions a page (+4.0 %)" in said
    )
    assert "Normal" not in said
    assert said.endswith("4 changes of cost\n")


def test_the_kernel_is_not_blamed_for_what_something_else_counts(tmp_path: Path, capsys):
    a, b = make(tmp_path / "a"), make(tmp_path / "b")
    qemu = {"hypervisor": "qemu 7.2"}
    was, is_now = (make_result(costs=make_costs(figure)) for figure in (7500, 7800))
    write_record(a, Record((was,), environment={"pytest-hotremove": "0.1", **qemu}))
    write_record(b, Record((is_now,), environment={"pytest-hotremove": "0.2", **qemu}))
    blames = "that need not be the kernel's doing, counted by pytest-hotremove 0.1, now 0.2\n"
    assert main(["compare", str(a), str(b)]) == 0
    assert blames in capsys.readouterr().out
    write_record(b, Record((was,), environment={"pytest-hotremove": "0.2", **qemu}))
    assert main(["compare", str(a), str(b)]) == 0
    assert capsys.readouterr().out == "no difference\n"


def test_what_the_place_of_free_pages_costs_is_too_little_to_be_told():
    before, after = make_result(costs=make_costs(7500)), make_result(costs=make_costs(7700))
    assert runs([before], [after]).summary == "no difference"
    cheaper = make_result(costs=make_costs(7000))
    assert {round(one.percent, 1) for one in runs([before], [cheaper]).costs} == {-6.7}


def test_costs_of_another_kernel_are_held_against_its_partner():
    found = runs([old(costs=make_costs(300))], [make_result(costs=make_costs(7500))])
    assert {one.kernels for one in found.costs} == {("5.10.262-1", "6.1.192-2")}
    assert found.as_json()["costs"][0]["before"] == 300
