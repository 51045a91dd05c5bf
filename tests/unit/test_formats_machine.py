# SPDX-License-Identifier: Apache-2.0
"""Every machine format, held against its schema or a reader of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import kcidb_io
from hypothesis import given, settings
from hypothesis import strategies as st
from ktap_reader import read_ktap
from lxml import etree
from report_samples import EVIL, make_record, make_result, old

from hotremove.formats import junit, kcidb, ktap, markdown
from hotremove.results.record import Record
from hotremove.results.text import clipped, one_line, printable
from hotremove.verdict.verdict import BAD, Verdict

unhurried = settings(deadline=None)  # other work may take the processor
JUNIT = etree.XMLSchema(file=str(Path(__file__).with_name("junit.xsd")))
records = st.builds(
    lambda verdict, text, pin: Record((make_result(verdict=verdict, message=text, pin=pin),)),
    st.sampled_from([str(verdict) for verdict in Verdict]),
    st.text(),
    st.text(),
)


def test_junit_fits_its_schema_and_counts():
    root = etree.fromstring(junit.render(make_record()))
    JUNIT.assertValid(root)
    totals = {suite.get("name"): dict(suite.attrib) for suite in root}
    assert totals["6.1.192-2"]["tests"] == "3"
    assert totals["6.1.192-2"]["errors"] == "2"
    assert totals["5.10.262-1"]["failures"] == "1"
    assert totals["5.10.262-1"]["errors"] == "2"
    assert totals["5.10.262-1"]["skipped"] == "4"


def test_junit_properties_say_what_was_tested():
    root = etree.fromstring(junit.render(make_record()))
    (case,) = root.xpath('//testcase[@name="test_k"]')
    told = {one.get("name"): one.get("value") for one in case.iter("property")}
    assert told == {
        "kernel": "debian:bullseye",
        "kernel_version": "5.10.262-1",
        "scenario": "1 rxe memory region held",
        "pin": "vfio",
        "outcome": "stuck",
        "verdict": "known-bug",
    }


@unhurried
@given(records)
def test_junit_is_valid_whatever_was_printed(record):
    JUNIT.assertValid(etree.fromstring(junit.render(record)))


def test_ktap_has_a_subtest_a_kernel():
    told = read_ktap(ktap.render(make_record()).splitlines())
    assert [(ok, name) for ok, name, _ in told.results] == [
        (False, "6.1.192-2"),
        (False, "5.10.262-1"),
    ]
    assert told.subtests["6.1.192-2"].results == [
        (True, "1 rxe memory region held", ""),
        (False, "1 rxe memory region held", "ERROR"),
        (False, "1 rxe memory region held", "ERROR"),
    ]
    assert [line[::2] for line in told.subtests["5.10.262-1"].results] == [
        (False, ""),
        (True, "XFAIL"),
        (True, "SKIP"),
        (False, "ERROR"),
        (True, "SKIP"),
        (False, "ERROR"),
        (True, "SKIP"),
    ]


def test_ktap_gives_the_reason_of_a_skip():
    told = ktap.render(make_record())
    assert "# SKIP absent: CONFIG_RDMA_RXE is not set" in told
    assert "# SKIP not-applicable: the kernel removed the memory under this pin" in told
    assert "# SKIP waived: --without modules" in told
    assert "# ERROR blocked: linux-headers" in told


@unhurried
@given(records)
def test_a_guest_cannot_forge_a_ktap_result(record):
    told = read_ktap(ktap.render(record).splitlines())
    (subtest,) = told.subtests.values()
    assert len(told.results) == len(subtest.results) == 1
    passed = record.results[0].verdict not in BAD
    assert subtest.results[0][0] is passed


def test_kcidb_validates_and_maps_verdicts():
    document = kcidb.render(make_record())
    assert kcidb_io.schema.LATEST.is_valid(document)
    assert [test["status"] for test in document["tests"]] == [
        "PASS",
        "MISS",
        "ERROR",
        "FAIL",
        "FAIL",
        "SKIP",
        "MISS",
        "SKIP",
        "MISS",
        "SKIP",
    ]
    assert document["tests"][4]["path"] == "hotremove.1_rxe_memory_region_held.vfio"
    assert len(document["builds"]) == 2
    assert len({test["id"] for test in document["tests"]}) == 10


def test_kcidb_tells_the_architecture():
    record = Record((make_result(kernel_label="6.1.192-arm64"), make_result(kernel="debian:other")))
    document = kcidb.render(record)
    assert kcidb_io.schema.LATEST.is_valid(document)
    assert [build["architecture"] for build in document["builds"]] == ["arm64", "x86_64"]


def test_kcidb_links_a_known_bug_to_the_upstream_change():
    document = kcidb.render(make_record())
    (issue,), (incident,) = document["issues"], document["incidents"]
    assert issue["report_subject"] == "mm/gup: migrate pinned pages out of movable zone"
    assert incident["test_id"] == document["tests"][4]["id"]
    assert incident["issue_id"] == issue["id"]


def test_kcidb_keeps_the_message_and_the_end_of_the_log():
    record = Record((old(verdict="fail", message="why"),))
    (test,) = kcidb.render(record, lambda _: "x" * 40000 + "the end")["tests"]
    assert len(test["log_excerpt"]) == kcidb.LONGEST_EXCERPT
    assert test["log_excerpt"].startswith("why\n")
    assert test["log_excerpt"].endswith("the end")


@unhurried
@given(records, st.text())
def test_kcidb_is_valid_whatever_was_printed(record, log):
    document = kcidb.render(record, lambda _: log)
    assert kcidb_io.schema.LATEST.is_valid(json.loads(json.dumps(document)))


def test_markdown_shows_what_a_guest_printed_as_text():
    told = markdown.render(make_record())
    assert "\\<script\\>" in told
    assert not re.search(r"(?<!\\)<", told)
    assert "| 1 rxe memory region held \\[vfio\\] |  | known-bug (stuck) |" in told


def test_control_characters_show_and_harm_nothing():
    assert printable("a\x1b[31m\r\nb\x00") == "a\ufffd[31m\nb\ufffd"
    assert one_line(EVIL).count("\n") == 0


@unhurried
@given(st.text(), st.integers(min_value=10, max_value=100))
def test_clipping_keeps_both_ends(text, longest):
    short = clipped(text, longest)
    assert len(short) == min(longest, len(text))
    assert short[:1] == text[:1]
    assert short[-1:] == text[-1:]
