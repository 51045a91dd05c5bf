# SPDX-License-Identifier: Apache-2.0
"""What a program of the kernel's own tests says by its output and its end together."""

from __future__ import annotations

from typing import Any

import pytest

from hotremove.guest.control import Completed
from hotremove.observe.ktap import Said, Subtest
from hotremove.selftests.run import Answer, Answers, _read
from hotremove.selftests.suite import SUITES, Program, programs

PROGRAM = Program("x", outdated="line 212")


def said(text: str, status: int = 0, ending: Any = "exit") -> list[Subtest]:
    return _read(PROGRAM, Completed("x", ending, status, text.encode(), b""))


@pytest.mark.parametrize(
    ("text", "status", "wanted"),
    [
        ("", 0, Subtest("", Said.PASSED)),
        ("First hex is 0\n", 0, Subtest("", Said.PASSED)),
        ("Open failed\n", 1, Subtest("", Said.FAILED, "exit 1: Open failed")),
        ("no pages, line 212\n", 1, Subtest("", Said.EXPECTED, "exit 1: no pages, line 212")),
        ("skip all tests: no memory\n", 4, Subtest("", Said.SKIPPED, "skip all tests: no memory")),
        ("1..0 # SKIP no pages\n", 4, Subtest("", Said.SKIPPED, "no pages")),
        ("1..1\nok 1 # SKIP no pages\n", 4, Subtest("", Said.SKIPPED, "no pages")),
        ("1..1\nok 1 data\n", 0, Subtest("data", Said.PASSED)),
    ],
)
def test_one_answer(text: str, status: int, wanted: Subtest) -> None:
    assert said(text, status) == [wanted]


def test_results_that_are_missing_fail_once() -> None:
    assert said("1..3\nok 1 a\nBail out! mmap\n", 1) == [
        Subtest("a", Said.PASSED),
        Subtest("", Said.FAILED, "1 results of 3 planned; bailed out: mmap"),
    ]


def test_an_end_that_its_results_do_not_explain_fails() -> None:
    assert said("1..1\nok 1 a\n", 11, "signal")[-1].why == "signal 11: ok 1 a"


def test_what_failed_is_named() -> None:
    good, bad = Subtest("a", Said.PASSED), Subtest("b", Said.FAILED, "why")
    Answers((Answer("x", good), Answer("x", Subtest("", Said.SKIPPED, "no")))).expect_passed()
    with pytest.raises(AssertionError, match=r"1 of 2 .*failed:\n\s*x: b failed: why"):
        Answers((Answer("x", good), Answer("x", bad))).expect_passed()


def test_no_program_is_in_two_suites() -> None:
    names = [one.name for one in programs()]
    assert len(set(names)) == len(names) == sum(len(suite.programs) for suite in SUITES.values())
