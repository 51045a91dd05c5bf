# SPDX-License-Identifier: Apache-2.0
"""Flags of pages, as the farm's guests gave them."""

import pytest

from hotremove.observe.pageflags import (
    MLOCKED,
    count_flagged,
    count_lock_pending,
    count_locked,
    count_off_list,
    count_zero_pages,
)

# Of pages of a memfd: locked and waiting in a batch, locked and done, and locked before they were
# on an LRU list.
ZERO = 1 << 24 | 1 << 11
WAITING, DONE, NEW, UNLOCKED = 8589953144, 8590215224, 8589953052, 18460


@pytest.mark.parametrize(
    ("runs", "pending", "locked"),
    [
        ([], 0, 0),
        ([(WAITING, 8)], 8, 0),
        ([(DONE, 62), (WAITING, 2)], 2, 62),
        ([(DONE, 8)], 0, 8),
        ([(NEW, 8)], 0, 0),
        ([(UNLOCKED, 8)], 0, 0),
    ],
)
def test_only_pages_on_a_list_and_in_a_batch_wait(runs, pending, locked):
    assert (count_lock_pending(runs), count_locked(runs)) == (pending, locked)


def test_pages_that_are_on_no_list():
    assert count_off_list([(NEW, 8), (WAITING, 4), (DONE, 2), (UNLOCKED, 1)]) == 8


def test_pages_with_a_flag():
    assert count_flagged([(NEW, 8), (DONE, 2), (UNLOCKED, 1)], MLOCKED) == 10


def test_the_zero_page():
    assert count_zero_pages([(ZERO, 2000), (UNLOCKED, 8)]) == 2000
