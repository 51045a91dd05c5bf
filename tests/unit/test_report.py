# SPDX-License-Identifier: Apache-2.0
"""The record, the table and the evidence's names."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotremove.errors import UsageProblem
from hotremove.report.evidence import readable, safe_name
from hotremove.report.record import Result, read_record, write_record
from hotremove.report.terminal import cell, highlights, table, tally


def make_result(**changed):
    facts = {
        "kernel": "debian:bookworm",
        "kernel_version": "6.1.192-2",
        "kernel_label": "6.1.192",
        "scenario": "1 rxe memory region held",
        "test": "scenarios/test_x.py::test_y[6.1.192]",
        "pin": "",
        "outcome": "removed",
        "verdict": "pass",
        "duration_s": 4.2,
        "evidence": "",
    }
    return Result(**{**facts, **changed})


def test_a_record_is_read_as_it_was_written(tmp_path):
    results = (make_result(), make_result(verdict="fail", outcome="stuck", message="why"))
    assert read_record(write_record(tmp_path, results)) == results


def test_the_record_has_the_documented_fields(tmp_path):
    document = json.loads(write_record(tmp_path, [make_result()]).read_text())
    assert document["schema"] == 1
    documented = {"kernel", "kernel_version", "scenario", "test", "pin", "outcome", "verdict"}
    assert documented | {"duration_s", "evidence"} <= set(document["results"][0])


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema": 2, "results": []}', '{"schema": 1, "results": [{}]}']
)
def test_what_is_not_a_record_is_told_in_one_line(tmp_path, text):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(UsageProblem) as told:
        read_record(path)
    assert str(path) in str(told.value)
    assert "\n" not in str(told.value)


def test_a_missing_record_is_told_in_one_line(tmp_path):
    with pytest.raises(UsageProblem, match="No such file"):
        read_record(tmp_path / "results.json")


def test_the_table_has_a_column_a_kernel_and_rows_by_number():
    results = [
        make_result(scenario="10 later"),
        make_result(scenario="2 earlier", pin="vfio"),
        make_result(scenario="2 earlier", pin="vfio", kernel_label="5.10.262", verdict="fail"),
    ]
    texts = [[text for text, _ in row] for row in table(results)]
    assert texts == [
        ["scenario", "6.1.192", "5.10.262"],
        ["2 earlier [vfio]", "pass", "fail (removed)"],
        ["10 later", "pass", ""],
    ]


def test_a_cell_shows_its_gravest_verdict():
    good, bad = make_result(), make_result(verdict="fail", outcome="stuck")
    assert cell([good, bad]) == ("fail (stuck)", "red")
    assert cell([good, make_result(verdict="lost")])[0] == "lost"
    assert cell([make_result(verdict="skip"), good])[0] == "pass"


def test_highlights_are_the_gravest_three_without_repetition():
    results = [
        make_result(verdict="error", message="a typo"),
        *(make_result(verdict="fail", message=f"stuck {n % 2}") for n in range(4)),
        make_result(verdict="lost", message="QEMU was killed"),
        make_result(),
    ]
    assert [message for _, message in highlights(results)] == [
        "stuck 0",
        "stuck 1",
        "QEMU was killed",
    ]


def test_the_tally_counts_every_result():
    results = [make_result(), make_result(verdict="skip"), make_result(verdict="fail")]
    assert tally(results) == "1 fail, 1 pass, 1 skip"


@given(st.text(min_size=1))
def test_evidence_stays_in_its_directory(test):
    name = safe_name(test)
    assert "/" not in name
    assert name not in ("", ".", "..")
    assert len(name) <= 200


def test_two_tests_have_two_directories():
    one = "scenarios/test_x.py::test_y[6.1.192-rdma]"
    assert safe_name(one) != safe_name(one.replace("rdma", "vfio"))


def test_records_of_kmsg_read_like_dmesg():
    assert readable("6,451,5585406,-;Fallback order for Node 1\n") == (
        "[    5.585406] Fallback order for Node 1\n"
    )


def test_results_do_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_result().verdict = "pass"
