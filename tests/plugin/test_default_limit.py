# SPDX-License-Identifier: Apache-2.0
"""Which tests have a limit as a whole, and who decides on it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

SHOWS = """
def pytest_collection_finish(session):
    for item in session.items:
        marker = item.get_closest_marker("timeout")
        print(f"LIMIT {item.originalname} {marker.args[0] if marker else None}")
"""
TESTS = """
import pytest

def test_guest(guest):
    pass

@pytest.mark.timeout(5)
def test_marked(guest):
    pass

@pytest.mark.nightly
def test_night(guest):
    pass

def test_without():
    pass
"""
DEFAULTS = {"guest": "1440.0", "marked": "5", "night": "43200.0", "without": "None"}


@pytest.fixture
def limits(run, pytester: pytest.Pytester, kernel_image: Path):
    """`limits(*words)`: the limits of those tests."""
    pytester.makepyfile(test_it=TESTS, shows=SHOWS)
    pytester.syspathinsert()

    def look(*words: str) -> dict[str, str]:
        done = run("-p", "shows", "--collect-only", "--kernel", f"image:{kernel_image}", *words)
        assert done.code == 0, done.out + done.err
        return dict(re.findall(r"LIMIT test_(\w+) (\S+)", done.out))

    return look


def test_only_tests_with_guests_have_one(limits) -> None:
    assert limits() == DEFAULTS


def test_it_follows_the_deadlines(limits) -> None:
    longer = limits("--removal-deadline", "60", "--boot-deadline", "600")
    assert longer["guest"] == "3000.0"


@pytest.mark.parametrize("words", [("--test-limit=50",), ("-o", "hotremove_test_limit=50")])
def test_the_user_may_name_one(limits, words: tuple[str, ...]) -> None:
    assert limits(*words) == {**DEFAULTS, "guest": "50.0", "night": "50.0"}


def test_what_pytest_timeout_was_told_has_precedence(limits, monkeypatch) -> None:
    told = {**DEFAULTS, "guest": "None", "night": "None"}
    assert limits("--timeout=7", "--test-limit=50") == told
    assert limits("-o", "timeout=7") == told
    monkeypatch.setenv("PYTEST_TIMEOUT", "7")
    assert limits() == told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--test-limit=-1",), "a test limit of -1 s makes no sense"),
        (("--test-limit=nan",), "a test limit of nan s makes no sense"),
        (("-o", "hotremove_test_limit=soon"), "hotremove_test_limit = soon: not a number"),
    ],
)
def test_a_wrong_limit(run, words: tuple[str, ...], told: str) -> None:
    assert told in run(*words).complaint


def test_others_tests_are_pytest_timeouts_alone(run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="import time\n\ndef test_sleeps():\n    time.sleep(60)\n")
    done = run("--timeout=1")
    assert done.code == 1
    assert "Timeout (>1.0s) from pytest-timeout" in done.out
