# SPDX-License-Identifier: Apache-2.0
"""Rows and kernels that agree are told once, and nothing that differs is folded away."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from report_samples import make_result

from hotremove.analysis.folding import folded, where
from hotremove.analysis.summary import table
from hotremove.results.naming import kernel_names
from hotremove.verdict.verdict import BAD, Verdict


def result(row: str, kernel: str = "6.1.192", verdict: str = "pass", **more):
    return make_result(kernel=kernel, kernel_label=kernel, scenario=row, verdict=verdict, **more)


def texts(results) -> list[list[str]]:
    rows = folded(table(results), len(kernel_names(results)))
    return [[text for text, _ in row] for row in rows]


def test_pin_paths_that_agree_share_a_row():
    paths = [result("15 shared memory", pin=pin) for pin in ("rdma", "uring", "vfio")]
    assert texts(paths)[1:] == [["15 shared memory [rdma, uring, vfio]", "pass"]]
    paths[1] = result("15 shared memory", pin="uring", verdict="fail", outcome="stuck")
    assert texts(paths)[1:] == [
        ["15 shared memory [rdma, vfio]", "pass"],
        ["15 shared memory [uring]", "fail (stuck)"],
    ]


def test_few_rows_are_told_by_name():
    assert len(texts([result(f"{n} a row") for n in range(1, 8)])) == 8


def test_many_that_agree_are_counted_with_their_numbers():
    rows = [result(f"{n} a row", pin=pin) for n in range(1, 21) for pin in ("rdma", "vfio")]
    rows += [result(f"{n} another", verdict="absent") for n in (30, 31, 40)]
    rows += [result("33 this fails", verdict="fail", outcome="stuck")]
    assert texts(rows)[1:] == [
        ["33 this fails", "fail (stuck)"],
        ["40 rows alike: 1 to 20", "pass"],
        ["3 rows alike: 30, 31, 40", "absent"],
    ]


def test_what_differs_as_it_is_known_to_is_counted_when_it_fills_a_screen():
    rows = [
        result(f"{n} a row", kernel, verdict)
        for n in range(1, 31)
        for kernel, verdict in (("5.10.262", "known-bug"), ("6.1.192", "pass"))
    ]
    assert texts(rows)[1:] == [["30 rows alike: 1 to 30", "known-bug (removed)", "pass"]]
    assert len(texts(rows[:48])) == 25


def test_a_row_that_a_fault_escapes_is_not_folded():
    rows = [result(f"{n} a row") for n in range(1, 21)]
    rows += [result(f"{n} a row", fault="anon") for n in range(1, 20)]
    rows += [result("20 a row", fault="anon", verdict="fail")]
    assert texts(rows) == [
        ["scenario", "6.1.192", "noticed"],
        ["20 a row", "pass", "0 of 1"],
        ["19 rows alike: 1 to 19", "pass", "19 of 19"],
    ]


def test_kernels_that_agree_in_every_row_share_a_column():
    kernels = [f"6.12.{n}" for n in range(10)]
    rows = [
        result(row, kernel, "fail" if (row, kernel) == ("2 b", "6.12.9") else "pass")
        for row in ("1 a", "2 b")
        for kernel in kernels
    ]
    assert texts(rows) == [
        ["scenario", "6.12.0 to 6.12.8 (9 kernels)", "6.12.9"],
        ["1 a", "pass", "pass"],
        ["2 b", "pass", "fail (removed)"],
    ]


def test_rows_of_other_projects_have_no_numbers():
    assert where(["1 a", "2 b", "test_x", "test_y"]) == "1, 2 and 2 without a number"
    assert where(["test_x"]) == "1 without a number"


VERDICTS = st.sampled_from([str(one) for one in Verdict])


@given(st.lists(st.tuples(VERDICTS, VERDICTS), min_size=1, max_size=60))
def test_whatever_is_red_keeps_a_row_of_its_name(rows):
    results = [
        result(f"{number} a row", kernel, verdict)
        for number, verdicts in enumerate(rows, start=1)
        for kernel, verdict in zip(("5.10.262", "6.1.192"), verdicts, strict=True)
    ]
    told = texts(results)
    shown = {row[0] for row in told}
    for number, pair in enumerate(rows, start=1):
        if set(pair) & (BAD - {Verdict.NOT_RUN}):
            assert f"{number} a row" in shown
    counted = [int(row[0].split()[0]) for row in told if " rows alike: " in row[0]]
    assert sum(counted) + len(told) - 1 - len(counted) == len(rows)
