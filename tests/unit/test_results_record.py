# SPDX-License-Identifier: Apache-2.0
"""The record, the table and the evidence's names."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_samples import make_result, old

from hotremove.analysis.first import highlights
from hotremove.analysis.summary import Look, cell, recorded, table, tally
from hotremove.errors import UsageProblem
from hotremove.results.evidence import readable, safe_name
from hotremove.results.record import Record, read_record, write_record


def test_a_record_is_read_as_it_was_written(tmp_path):
    results = (make_result(), make_result(verdict="fail", outcome="stuck", message="why"))
    assert read_record(write_record(tmp_path, Record(results))) == results


def test_the_record_has_the_documented_fields(tmp_path):
    document = json.loads(write_record(tmp_path, Record((make_result(),))).read_text())
    assert document["schema"] == 3
    documented = {"kernel", "kernel_version", "scenario", "test", "pin", "outcome", "verdict"}
    assert documented | {"duration_s", "evidence"} <= set(document["results"][0])


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema": 4, "results": []}', '{"schema": 1, "results": [{}]}']
)
def test_what_is_not_a_record_is_told_in_one_line(tmp_path, text):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(UsageProblem) as told:
        read_record(path)
    assert str(path) in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"duration_s": "1"}, "results 1: duration_s: expected `float`, got `str`"),
        ({"verdict": "passed"}, "results 1: 'passed' is not a valid Verdict"),
        ({"attempts": ["pass", "lots"]}, "results 1: 'lots' is not a valid Verdict"),
        ({"fault": 1}, "results 1: fault: expected `str`, got `int`"),
        ({"costs": [{"mib": 1}]}, "results 1: costs 1: `path` is missing"),
        ({"pin": None}, "results 1: pin: expected `str`, got `null`"),
    ],
)
def test_what_a_record_cannot_say_is_told_with_its_place(tmp_path, change, told):
    path = write_record(tmp_path, Record((make_result(),)))
    document = json.loads(path.read_text())
    document["results"][0] |= change
    path.write_text(json.dumps(document))
    with pytest.raises(UsageProblem) as caught:
        read_record(path)
    assert str(caught.value) == f"{path}: not a record of a run: {told}"


@pytest.mark.parametrize("schema", [1, 2, 3])
def test_records_of_each_schema_are_read_and_what_is_new_in_them_is_passed_over(tmp_path, schema):
    path = write_record(tmp_path, Record((make_result(verdict="skip"),)))
    document = json.loads(path.read_text())
    document |= {"schema": schema, "later": 1}
    document["results"][0]["later"] = [{}]
    if schema == 1:
        del document["left_out"], document["started"], document["results"][0]["costs"]
    path.write_text(json.dumps(document))
    assert read_record(path) == (make_result(verdict="skip"),)


@pytest.mark.parametrize(
    ("pin", "before", "now"),
    [
        ("", "test_y[6.1.192-fix-off]", "test_y[6.1.192-no-migration]"),
        ("rdma", "test_y[6.1.192-fix-off-rdma-part]", "test_y[6.1.192-rdma-no-migration-part]"),
    ],
)
def test_the_one_fault_of_before_has_its_name_now(tmp_path, pin, before, now):
    proof = make_result(test=before, pin=pin)
    path = write_record(tmp_path, Record((proof, make_result())))
    document = json.loads(path.read_text()) | {"schema": 2}
    for row, fix_off in zip(document["results"], (True, False), strict=True):
        del row["fault"]
        row["fix_off"] = fix_off
    path.write_text(json.dumps(document))
    renamed = dataclasses.replace(proof, test=now, fault="no-migration")
    assert read_record(path) == (renamed, make_result())


def test_bytes_that_are_no_text_come_back_from_a_record(tmp_path):
    results = (make_result(message="qemu: \udc80: no such file"),)
    assert read_record(write_record(tmp_path, Record(results))) == results


def test_a_missing_record_is_told_in_one_line(tmp_path):
    with pytest.raises(UsageProblem, match="No such file"):
        read_record(tmp_path / "results.json")


def test_memory_that_came_otherwise_is_a_row_of_its_own():
    by_dimm = make_result(test="test_y[6.1.192-rdma]", pin="rdma")
    other = dataclasses.replace(
        by_dimm, test="test_y[6.1.192-rdma-virtio-mem]", memory="virtio-mem", verdict="fail"
    )
    assert [row[0][0] for row in table([by_dimm, other])[1:]] == [
        f"{by_dimm.scenario} [rdma, virtio-mem]",
        f"{by_dimm.scenario} [rdma]",
    ]
    assert dataclasses.replace(other, pin="").row == f"{by_dimm.scenario} [virtio-mem]"


def test_the_table_has_a_column_a_kernel_and_rows_by_number():
    results = [
        make_result(scenario="10 later"),
        make_result(scenario="2 earlier", pin="vfio"),
        old(scenario="2 earlier", pin="vfio", verdict="fail"),
    ]
    texts = [[text for text, _ in row] for row in table(results)]
    assert texts == [
        ["scenario", "6.1.192", "5.10.262"],
        ["2 earlier [vfio]", "pass", "fail (removed)"],
        ["10 later", "pass", ""],
    ]


def test_a_cell_shows_its_gravest_verdict():
    good, bad = make_result(), make_result(verdict="fail", outcome="stuck")
    assert cell([good, bad]) == ("fail (stuck)", Look.FAIL)
    assert cell([good, make_result(verdict="lost")])[0] == "lost"
    assert cell([make_result(verdict="absent"), good])[0] == "pass"
    assert cell([make_result(verdict="blocked"), good])[0] == "blocked"
    assert cell([make_result(verdict="waived"), good])[0] == "waived"


def test_highlights_are_the_gravest_three_each_cause_once():
    results = [
        make_result(verdict="error", message="a typo"),
        make_result(scenario="15 shared memory", verdict="fail", message="stuck: pfn 0x100200"),
        make_result(scenario="2 vfio", verdict="fail", message="stuck: pfn 0x100009\nmore"),
        make_result(verdict="fail", message="a kernel report"),
        make_result(verdict="lost", message="QEMU was killed"),
        old(verdict="fail", message="stuck: pfn 0x100009"),
        make_result(),
    ]
    assert list(highlights(results)) == [
        ("6.1.192, 1 rxe memory region held: fail", "a kernel report"),
        ("6.1.192, 5.10.262, 1 rxe memory region held: fail (2 more alike)", "stuck: pfn 0x100009"),
        ("6.1.192, 1 rxe memory region held: lost", "QEMU was killed"),
    ]


def test_failures_for_one_missing_change_are_one_thing():
    words = "holds 1 pin, held by pid {}, {}; fixed upstream by d1e153fea2a8 (5.13); {} did not end"
    results = [
        make_result(verdict="fail", message=words.format(1, "rxe", "ACPI eject")),
        make_result(verdict="fail", message=words.format(2, "vfio", "sysfs offline")),
    ]
    ((heading, _),) = highlights(results)
    assert heading.endswith("fail (1 more alike)")


def test_a_test_that_wavers_is_looked_at_after_what_failed():
    results = [make_result(attempts=("fail",)), make_result(verdict="lost", message="gone")]
    headings = [heading for heading, _ in highlights(results)]
    assert headings == [
        "6.1.192, 1 rxe memory region held: lost",
        "6.1.192, 1 rxe memory region held: fail, then pass",
    ]
    assert tally(results) == "1 lost, 1 pass; 1 flaky"
    assert cell(results[:1]) == ("pass, 2 tries", Look.PLAIN)


def test_what_passing_scenarios_recorded_is_told_by_row():
    seen = make_result(scenario="16 file", message="EFAULT")
    results = [
        dataclasses.replace(seen, pin="vfio"),
        dataclasses.replace(seen, pin="rdma"),
        dataclasses.replace(seen, scenario="12 hugetlb", message="ENOMEM"),
        dataclasses.replace(seen, scenario="12 hugetlb", message="ENOMEM", kernel_label="7.3.4"),
        dataclasses.replace(seen, message="stuck", verdict="fail"),
        dataclasses.replace(seen, message="noticed: stuck", fault="no-migration"),
        dataclasses.replace(seen, message=""),
    ]
    assert recorded(results) == [
        "12 hugetlb, 6.1.192, 7.3.4: ENOMEM",
        "16 file [rdma, vfio], 6.1.192: EFAULT",
    ]
    assert recorded(results[4:]) == []


def test_the_tally_counts_every_result():
    results = [make_result(), make_result(verdict="absent"), make_result(verdict="fail")]
    assert tally(results) == "1 fail, 1 pass, 1 absent"


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
