# SPDX-License-Identifier: Apache-2.0
"""How many workers a machine has room for."""

import pytest

from hotremove.session import capacity


@pytest.mark.parametrize(
    ("cores", "free", "workers"),
    [
        (2, 20000, 3),
        (3, 20000, 4),
        (64, 20000, 9),  # memory for no more
        (1, 20000, 1),
        (8, 500, 1),  # too little for any; one is tried all the same
    ],
)
def test_memory_is_not_given_twice_and_cores_to_three_for_two(cores, free, workers):
    assert capacity.workers_that_fit(cores, free, capacity.worker_mib(640)) == workers


@pytest.mark.parametrize(
    ("free", "pinned"),
    [(1024, 1024), (8 * 1024, 2048), (21 * 1024, 8192), (38 * 1024, 16384), (10**6, 16384)],
)
def test_a_large_pin_has_room_twice(free: int, pinned: int) -> None:
    assert capacity.pinnable_mib(free) == pinned
