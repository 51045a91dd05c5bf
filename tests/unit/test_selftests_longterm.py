# SPDX-License-Identifier: Apache-2.0
"""What gup_longterm was answered, read from its subtests as two generations of it name them."""

from __future__ import annotations

import errno

import pytest

from hotremove.observe.ktap import Said, Subtest
from hotremove.selftests.longterm import long_term_pins

WRITE = "R/W longterm GUP pin in MAP_SHARED file mapping ... with"
READ = "R/O longterm GUP-fast pin in MAP_SHARED file mapping ... with"
URING = "io_uring fixed buffer with MAP_SHARED file mapping ... with"


@pytest.mark.parametrize(
    ("name", "said", "pinned"),
    [
        (f"{WRITE} memfd", Said.PASSED, True),
        (f"{WRITE} memfd", Said.FAILED, False),
        (f"{WRITE} local tmpfile", Said.PASSED, False),
        (f"{WRITE} local tmpfile", Said.FAILED, True),
        (f"{READ} local tmpfile", Said.PASSED, True),
        (f"{URING} local tmpfile", Said.PASSED, False),
        (f"{URING} tmpfile", Said.PASSED, True),
    ],
)
def test_tells_what_was_pinned(name: str, said: Said, pinned: bool) -> None:
    (found,) = long_term_pins([Subtest(name, said, "Should have worked")])
    assert (found.name, found.pinned) == (name, pinned)


@pytest.mark.parametrize(
    "subtest",
    [
        Subtest(f"{WRITE} memfd", Said.SKIPPED, "gup_test not available"),
        Subtest(f"{WRITE} memfd", Said.FAILED, "mprotect() failed (Permission denied)"),
        Subtest(f"{WRITE} memfd", Said.FAILED, "PIN_LONGTERM_TEST_START failed"),
        Subtest(WRITE.replace("SHARED", "PRIVATE") + " memfd", Said.PASSED),
        Subtest("3", Said.PASSED),
    ],
)
def test_tells_nothing_of_what_was_not_answered(subtest: Subtest) -> None:
    assert not list(long_term_pins([subtest]))


def test_the_same_memory_is_asked_for() -> None:
    names = (f"{WRITE} memfd", f"{READ} tmpfile", f"{URING} local tmpfile")
    memfd, tmpfile, local = long_term_pins(Subtest(name, Said.PASSED) for name in names)
    assert memfd.map_words("/t", "/l") == {"kind": "memfd", "read_only": False}
    assert tmpfile.map_words("/t", "/l") == {"kind": "file", "read_only": True, "file": "/t/data1"}
    assert local.map_words("/t", "/l") == {"kind": "file", "read_only": False, "file": "/l/data2"}
    assert (memfd.fast, tmpfile.fast, local.by_uring) == (False, True, True)


def test_another_answer_is_told() -> None:
    (found,) = long_term_pins([Subtest(f"{WRITE} local tmpfile", Said.PASSED)])
    found.expect_same(errno.EFAULT)
    with pytest.raises(AssertionError, match=r"local tmpfile: refused by gup_longterm, and pinned"):
        found.expect_same(0)
