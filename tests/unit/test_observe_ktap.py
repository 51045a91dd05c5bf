# SPDX-License-Identifier: Apache-2.0
"""The output of the kernel's own tests, in the shapes that its helpers print, whole and cut off."""

from __future__ import annotations

import pytest

from hotremove.observe.ktap import Said, Subtest, TestOutput, read

WHOLE = """TAP version 13
1..3
# a word before
ok 1 pages are locked
not ok 2 pages are unlocked
ok 3 - merged
# Totals: pass:2 fail:1 xfail:0 xpass:0 skip:0 error:0
"""


def test_reads_tap() -> None:
    found = read(WHOLE)
    assert [(one.name, one.said) for one in found.subtests] == [
        ("pages are locked", Said.PASSED),
        ("pages are unlocked", Said.FAILED),
        ("merged", Said.PASSED),
    ]
    assert found.subtests[0].why == "a word before"
    assert not found.missing


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("ok 1 # SKIP need more pages", Subtest("1", Said.SKIPPED, "need more pages")),
        ("ok 1 pin # SKIP need more pages", Subtest("pin", Said.SKIPPED, "need more pages")),
        ("not ok 1 pin # skip: no device", Subtest("pin", Said.SKIPPED, "no device")),
        ("ok 1 # XFAIL known", Subtest("1", Said.EXPECTED, "known")),
        ("not ok 1 pin # TODO one day", Subtest("pin", Said.EXPECTED, "one day")),
        ("ok 1 # XPASS after all", Subtest("1", Said.PASSED, "after all")),
        ("not ok 1 pin # TIMEOUT 45 seconds", Subtest("pin", Said.FAILED, "45 seconds")),
        ("not ok 1 # error no memory", Subtest("1", Said.FAILED, "no memory")),
        ("ok 1 pin #  took 3 ms", Subtest("pin", Said.PASSED, "took 3 ms")),
        (r"ok 1 pin \# 7", Subtest("pin # 7", Said.PASSED)),
        ("ok 1", Subtest("1", Said.PASSED)),
        ("ok - without a number", Subtest("without a number", Said.PASSED)),
    ],
)
def test_reads_results(line: str, wanted: Subtest) -> None:
    assert read(f"TAP version 13\n1..1\n{line}\n") == TestOutput((wanted,))


def test_what_a_test_says_that_it_runs_is_its_name() -> None:
    text = "1..2\n# [RUN] pin ... with memfd\nok 1 Should have worked\n"
    text += "# [RUN] pin ... with tmpfile\n# Unknown filesystem\nok 2 # SKIP pin ... with tmpfile\n"
    assert read(text).subtests == (
        Subtest("pin ... with memfd", Said.PASSED, "Should have worked"),
        Subtest("pin ... with tmpfile", Said.SKIPPED, "Unknown filesystem"),
    )


def test_results_below_a_result_have_its_name_too() -> None:
    text = """KTAP version 1
1..2
  KTAP version 1
  # Subtest: outer
  1..2
    KTAP version 1
    1..1
    ok 1 deep
  ok 1 inner
  not ok 2 other
not ok 1 outer
ok 2 alone
"""
    found = read(text)
    assert [(one.name, one.said) for one in found.subtests] == [
        ("outer: inner: deep", Said.PASSED),
        ("outer: other", Said.FAILED),
        ("alone", Said.PASSED),
    ]
    assert not found.missing


def test_a_test_that_fails_though_its_parts_do_not_is_a_result_itself() -> None:
    found = read("1..1\n    1..1\n    ok 1 part\nnot ok 1 whole\n")
    assert [(one.name, one.said) for one in found.subtests] == [
        ("whole: part", Said.PASSED),
        ("whole", Said.FAILED),
    ]


def test_a_guest_that_dies_leaves_what_it_had_told() -> None:
    found = read("1..5\nok 1 first\n# [RUN] second\n")
    assert [one.name for one in found.subtests] == ["first"]
    assert found.missing == ("1 results of 5 planned",)
    assert found.unfinished == "second"


def test_a_nested_test_that_was_cut_off() -> None:
    found = read("1..2\n  1..3\n  ok 1 part\n")
    assert [one.name for one in found.subtests] == ["part"]
    assert found.missing == (
        "1 results of 3 planned",
        "a test gave no result of its own",
        "0 results of 2 planned",
    )


def test_a_plan_that_is_missing_is_told() -> None:
    assert read("TAP version 13\nok 1 first\n").missing == ("no plan",)


def test_more_results_than_planned_are_told() -> None:
    assert read("1..1\nok 1 a\nok 2 b\n").missing == ("2 results of 1 planned",)


def test_bailing_out_is_told_with_its_words() -> None:
    found = read("1..3\nok 1 a\nBail out! mmap failed\n")
    assert found.missing == ("1 results of 3 planned", "bailed out: mmap failed")


def test_a_summary_that_looks_like_bailing_out_is_none() -> None:
    assert not read("1..1\nnot ok 1 a\nBail out! 1 out of 1 tests failed\n").missing


def test_a_test_that_skips_itself_says_why() -> None:
    found = read("TAP version 13\n1..0 # SKIP no huge pages\n")
    assert (found.subtests, found.missing, found.skipped) == ((), (), "no huge pages")


@pytest.mark.parametrize("text", ["", "no hot-pluggable memory\n", "okay then\nok then\n"])
def test_what_is_no_tap_has_no_results(text: str) -> None:
    assert read(text) == TestOutput()


@pytest.mark.parametrize("end", range(len(WHOLE)))
def test_cut_off_anywhere_it_claims_no_more(end: int) -> None:
    found, whole = read(WHOLE[:end], ended=False), read(WHOLE)
    told = len(found.subtests)
    assert found.subtests == whole.subtests[:told]
    assert found.missing or told in (0, 3)
