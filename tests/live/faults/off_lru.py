# SPDX-License-Identifier: Apache-2.0
"""A kernel that takes folios off the LRU for pinnable; run by test_watchfulness.py."""

import pytest
from scenarios.test_races import test_two_pin_the_same_memory_at_once as two_pin_at_once

from hotremove.pins.kmod import load_module
from hotremove.pins.pin import PinnedInMovable
from hotremove.plugin.rounds import Rounds
from hotremove.scenario import MIB

pytestmark = pytest.mark.hotremove


@pytest.fixture
def breakage(guest, farm, kernel):
    """Take folios that nobody could isolate for pinnable, as 6.1.129 and 6.12.14 did."""
    load_module(guest, farm.kmods(kernel).find("fault"), "name=off-lru")
    return lambda: int(guest.control.read("/sys/module/fault/parameters/hits"))


def test_one_pinner_does_not_notice_folios_off_the_lru(movable_dimm, rdma, breakage):
    rdma.pin(movable_dimm.map(8 * MIB)).expect_migrated_from(movable_dimm.frames)
    assert breakage() == 0


def test_two_pinners_notice_folios_off_the_lru(movable_dimm, rdma, breakage):
    rounds = Rounds(seed=22, count=20, name="two pinners")
    with pytest.raises(PinnedInMovable, match="pages of pid"):
        two_pin_at_once(movable_dimm, rdma, rounds, print)
    assert breakage() > 0
