# SPDX-License-Identifier: Apache-2.0
"""A test's parts have results of their own, in place and once; as does a test tried again."""

from __future__ import annotations

from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any

import pytest
from report_samples import make_result

from hotremove.formats.ktap import render
from hotremove.observe.ktap import Said, Subtest
from hotremove.plugin import parts
from hotremove.plugin.results import PARTS, RESULT, Results
from hotremove.results.record import Record, Result
from hotremove.selftests.run import Answer

ID = "t.py::test_x[6.12.118-mlock]"
WHOLE = replace(make_result(), scenario="82 the kernel's own tests", test=ID, verdict="fail")
ANSWERS = (
    Answer("mlock2", Subtest("locked", Said.PASSED, "a word")),
    Answer("mlock2", Subtest("locked", Said.FAILED, "page 1")),
    Answer("limits", Subtest("", Said.SKIPPED, "no such user")),
    Answer("thuge", Subtest("", Said.SKIPPED, "CONFIG_SYSVIPC is not set"), absent=True),
    Answer("later", Subtest("bug", Said.EXPECTED)),
)


def item() -> Any:
    return SimpleNamespace(stash=pytest.Stash())


def noted() -> Any:
    noting = item()
    for answer in ANSWERS:
        parts.note(noting, answer)
    return noting


def phase(when: Any, outcome: Any, *parts_of: Result) -> pytest.TestReport:
    report = pytest.TestReport(ID, ("t.py", 0, "x"), {}, outcome, None, when, duration=1.0)
    setattr(report, RESULT, asdict(WHOLE))
    setattr(report, PARTS, [asdict(one) for one in parts_of])
    return report


def test_each_answer_is_a_result() -> None:
    found = parts.results_of(noted(), WHOLE)
    assert [(one.scenario, one.verdict, one.message) for one in found] == [
        ("82 mlock2: locked", "pass", ""),
        ("82 mlock2: locked (2)", "fail", "page 1"),
        ("82 limits", "not-applicable", "no such user"),
        ("82 thuge", "absent", "CONFIG_SYSVIPC is not set"),
        ("82 later: bug", "known-bug", "it does not say why"),
    ]
    assert {one.kernel for one in found} == {WHOLE.kernel}
    assert len({one.test for one in found}) == len(found)


def test_a_test_without_answers_has_no_parts() -> None:
    forgetting = noted()
    parts.forget(forgetting)
    assert not parts.results_of(forgetting, WHOLE)
    assert not parts.results_of(item(), WHOLE)


def test_parts_stand_behind_their_test_once() -> None:
    results, found = Results(), parts.results_of(noted(), WHOLE)
    for when, outcome in (("setup", "passed"), ("call", "failed"), ("teardown", "failed")):
        results.pytest_runtest_logreport(phase(when, outcome, *found))
    assert [one.test for one in results.all()] == [ID, *(one.test for one in found)]


def test_a_test_that_is_tried_again_has_the_parts_of_its_last_try() -> None:
    results, found = Results(), parts.results_of(noted(), WHOLE)
    for tried in (found, found[:1]):
        results.pytest_runtest_logreport(phase("setup", "passed"))
        results.pytest_runtest_logreport(phase("call", "failed", *tried))
    assert [one.test for one in results.all()] == [ID, found[0].test]


def test_parts_are_named_once_in_ktap() -> None:
    text = render(Record((WHOLE, *parts.results_of(noted(), WHOLE))))
    assert "ok 2 - 82 mlock2: locked\n" in text
    assert "not ok 3 - 82 mlock2: locked (2)\n" in text
