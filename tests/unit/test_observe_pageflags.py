# SPDX-License-Identifier: Apache-2.0
"""Flags of pages, as the farm's guests gave them."""

import pytest

from hotremove.observe.pageflags import count_lock_pending

# Of pages of a memfd: locked and waiting in a batch, locked and done, and locked before they were
# on an LRU list.
WAITING, DONE, NEW, UNLOCKED = 8589953144, 8590215224, 8589953052, 18460


@pytest.mark.parametrize(
    ("runs", "pending"),
    [
        ([], 0),
        ([(WAITING, 8)], 8),
        ([(DONE, 62), (WAITING, 2)], 2),
        ([(DONE, 8)], 0),
        ([(NEW, 8)], 0),
        ([(UNLOCKED, 8)], 0),
    ],
)
def test_only_pages_on_a_list_and_in_a_batch_wait(runs, pending):
    assert count_lock_pending(runs) == pending
