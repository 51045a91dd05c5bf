# SPDX-License-Identifier: Apache-2.0
"""Faults by rows: what runs with faults say together, and the command that tells it."""

from pathlib import Path

import pytest
from report_samples import make_result

from hotremove.analysis.faults import Answer, matrices, remarks, sentence, table
from hotremove.cli.faults import is_whole
from hotremove.cli.main import main
from hotremove.results.record import Record, write_record

STUCK = (
    "stuck: pfn 0x100009 in node 1's ZONE_MOVABLE holds 1 long-term pin (refcount 1026 = 1024 "
    "(1 long-term pin) + 1 (mapping) + 1 (isolation)), held by pid 118, an rxe memory region"
)
PAGES = "8 pages of pid 3 lie in ZONE_MOVABLE"
NO_CARRIER = "nothing brings the fault hugetlb on this kernel: the kernel does not take the module"


def seen(fault, scenario, verdict="pass", message="", seconds=5.0, variant="rdma", **more):
    return make_result(
        fault=fault,
        scenario=scenario,
        test=f"t.py::{scenario}[6.1.192-{variant}-{fault}]",
        verdict=verdict,
        message=message,
        duration_s=seconds,
        **more,
    )


RESULTS = (
    make_result(),
    seen("no-migration", "1 rxe memory region held", message=f"noticed: {STUCK}", seconds=5.1),
    seen("no-migration", "2 vfio DMA mapping held", message=f"noticed: {STUCK}", seconds=4.9),
    seen("no-migration", "2 control: elsewhere", message="2 control does not notice no-migration"),
    seen("anon", "1 rxe memory region held", message=f"noticed: {PAGES}"),
    seen("anon", "2 vfio DMA mapping held", "fail", "2 vfio … does not notice anon"),
    seen("file", "1 rxe memory region held", message="1 rxe … does not notice file"),
    seen("hugetlb", "11 hugetlb", "not-applicable", NO_CARRIER),
    seen("hugetlb", "12 hugetlb", "absent", "CONFIG_HUGETLBFS is not set"),
)


def matrix(*results):
    (found,) = matrices([Record(tuple(results))])
    return found


def test_each_fault_is_told_with_who_noticed_it_how_and_in_how_long():
    first, *others = table(matrix(*RESULTS))
    assert first[:3] == ("no-migration", "1, 2", "")
    assert first[3].startswith("stuck: pfn 0x100009 in node 1's ZONE_MOVABLE holds 1 long-term pin")
    assert first[3].endswith(" …")
    assert first[4] == "4.9"
    assert others == [
        ("anon", "1", "2", PAGES, "5.0"),
        ("file", "nobody", "1", "", ""),
    ]


def test_what_is_beside_the_table():
    found = matrix(*RESULTS)
    assert remarks(found) == [
        "nobody noticed: file",
        "no carrier has: hugetlb",
        "only 1 rxe memory region held noticed anon",
        "for no fault the only one: 2 vfio DMA mapping held, 11 hugetlb, 12 hugetlb",
    ]
    assert sentence(found) == "6.1.192-2: 2 of 3 faults noticed, 1 that no carrier has"
    assert not found.is_whole


@pytest.mark.parametrize(
    ("verdict", "message", "answer"),
    [
        ("pass", f"noticed: {STUCK}", Answer.NOTICED),
        ("pass", "1 a row does not notice anon", Answer.MISSED),
        ("fail", "1 a row does not notice anon", Answer.MISSED),
        ("fail", "insensitive: 1 a row passes with the fix turned off", Answer.MISSED),
        ("fail", "fails, and not by what is wrong with anon: Kernel panic", Answer.WRONG),
        ("fail", "the kernel reported: BUG", Answer.WRONG),
        ("known-bug", "stale [known: 6.1.192 lacks 84209e87c696]", Answer.HIDDEN),
        ("not-applicable", NO_CARRIER, Answer.NO_CARRIER),
        ("not-applicable", "the kernel removed the memory under this pin", Answer.ABSENT),
        *((verdict, "x", Answer.UNSEEN) for verdict in ("lost", "blocked", "not-run", "waived")),
    ],
)
def test_what_a_run_says_of_its_fault(verdict, message, answer):
    (run,) = matrix(seen("anon", "1 a row", verdict, message)).runs
    assert run.answer is answer


def test_a_control_that_notices_what_it_should_not_is_no_row_that_did():
    told = "a control notices anon: stuck: a page"
    found = matrix(seen("anon", "1 control: nothing pinned", "fail", told))
    assert found.unnoticed == ("anon",)
    assert remarks(found)[:2] == [
        "nobody noticed: anon",
        "a control noticed anon: 1 control: nothing pinned [rdma]: stuck: a page",
    ]
    assert table(found)[0][:2] == ("anon", "control of 1")


def test_a_fault_that_was_in_force_for_one_row_has_a_carrier():
    found = matrix(*RESULTS, seen("hugetlb", "14 thp", message="14 thp does not notice hugetlb"))
    assert found.without_carrier == ()
    assert found.unnoticed == ("file", "hugetlb")


def test_runs_of_one_kernel_are_put_together_and_the_later_counts():
    good = seen("anon", "1 a row", message=f"noticed: {STUCK}")
    bad = seen("anon", "1 a row", "fail", "1 a row does not notice anon")
    other = seen("anon", "1 a row", message="x", kernel_version="6.12.9-1", kernel="debian:trixie")
    records = [Record((bad, other)), Record((good,))]
    assert [one.kernel for one in matrices(records)] == ["6.1.192-2", "6.12.9-1"]
    assert matrices(records)[0].is_whole
    assert matrices([Record((make_result(),))]) == []


def test_the_command(tmp_path: Path, capsys):
    for name, results in (("a", RESULTS[:4]), ("b", RESULTS[4:])):
        (tmp_path / name).mkdir()
        write_record(tmp_path / name, Record(tuple(results)))
    assert main(["faults", str(tmp_path / "a")]) == 0
    assert "6.1.192-2: 1 of 1 faults noticed" in capsys.readouterr().out
    assert main(["faults", str(tmp_path / "a"), str(tmp_path / "b"), "--markdown"]) == 1
    row = "| anon | 1 | 2 | 8 pages of pid 3 lie in ZONE\\_MOVABLE | 5.0 |"
    assert row in capsys.readouterr().out.splitlines()
    write_record(tmp_path / "a", Record((make_result(),)))
    assert main(["faults", str(tmp_path / "a")]) == 2
    assert "no run with a fault: give pytest --hotremove-prove" in capsys.readouterr().err


def test_what_is_whole_is_not_run_again(tmp_path: Path, monkeypatch, capsys):
    folders = []

    def suite(command):
        (folder,) = (w.partition("=")[2] for w in command if w.startswith("--hotremove-artifacts"))
        fault = Path(folder).name
        folders.append(fault)
        assert [word for word in command if "faults=" in word] == [f"--hotremove-faults={fault}"]
        assert command[-3:] == ["--hotremove-one-variant", "-n", "2"]
        Path(folder).mkdir(parents=True)
        write_record(Path(folder), Record((seen(fault, "1 a row", message="noticed: x"),)))
        return 0

    monkeypatch.setattr("hotremove.cli.faults.run_suite", suite)
    words = ["faults", str(tmp_path), "--kernel", "debian:bookworm", "--pytest=-n 2"]
    assert main([*words, "--faults", "anon,file"]) == 0
    assert main([*words, "--faults", "anon,file,thp"]) == 0
    assert folders == ["anon", "file", "thp"]
    monkeypatch.setattr("hotremove.cli.faults.run_suite", lambda command: 2)
    assert main([*words, "--faults", "mthp"]) == 4
    assert "mthp: the suite was broken off (pytest ended with 2)" in capsys.readouterr().err


def test_a_run_that_was_broken_off_or_is_of_another_kernel_is_not_whole(tmp_path: Path):
    kernels = ["debian:bookworm"]
    assert not is_whole(tmp_path, kernels)
    write_record(tmp_path, Record((seen("anon", "1 a row"),)))
    assert is_whole(tmp_path, kernels)
    assert not is_whole(tmp_path, ["debian:bookworm", "debian:trixie"])
    write_record(tmp_path, Record((seen("anon", "1 a row"), seen("anon", "2 b", "not-run"))))
    assert not is_whole(tmp_path, kernels)


def test_a_run_over_one_variant_of_each_scenario_is_no_whole_run_over_all(tmp_path: Path):
    environment = {"command": "pytest --hotremove-faults=anon --hotremove-one-variant -n 2"}
    for command in (environment, {}):
        write_record(tmp_path, Record((seen("anon", "1 a row"),), environment=command))
        assert is_whole(tmp_path, ["debian:bookworm"])
        assert is_whole(tmp_path, ["debian:bookworm"], every_variant=True) is not bool(command)


def test_a_fault_whose_rows_a_kernel_does_not_allow_is_not_missed():
    absent = seen("secret-memory", "58 secret", "not-applicable", "secretmem.enable is off")
    noticed = seen("anon", "1 rxe memory region held", message=f"noticed: {PAGES}")
    found = matrix(absent, noticed)
    assert (found.unnoticed, found.without_carrier) == ((), ())
    assert found.without_row == ("secret-memory",)
    assert sentence(found) == "6.1.192-2: 1 of 1 faults noticed"
    assert [row[0] for row in table(found)] == ["anon"]
    assert "no row that is applicable for: secret-memory" in remarks(found)
