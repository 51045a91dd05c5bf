# SPDX-License-Identifier: Apache-2.0
"""The project's own tests do not skip, but for the account, and none is tried again."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"
TESTS = """
import pytest

def test_passes():
    pass

def test_lacks_a_program():
    pytest.skip("no rpmbuild")

@pytest.mark.skipif(True, reason="one core")
def test_lacks_a_core():
    pass

@pytest.fixture
def module():
    pytest.skip("insmod: unknown symbol")

def test_lacks_a_module(module):
    pass

@pytest.mark.skipif(True, reason="this account reads everything")
def test_wants_another_account():
    pass

@pytest.mark.xfail(reason="known")
def test_is_known_to_fail():
    assert False
"""


def test_only_the_account_is_a_reason_to_skip(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST.read_text())
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_inprocess("-p", "no:hypothesispytest", "-p", "no:hotremove")
    result.assert_outcomes(passed=1, failed=1, errors=2, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines(["*no test may skip, and this does: insmod: unknown symbol*"])


def test_none_is_tried_again(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST.read_text())
    pytester.makepyfile("import pytest\n\n@pytest.mark.flaky(reruns=1)\ndef test_x():\n    pass\n")
    result = pytester.runpytest_inprocess("-p", "no:hypothesispytest", "-p", "no:hotremove")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*no test is tried again, and this would be: *::test_x*"])
