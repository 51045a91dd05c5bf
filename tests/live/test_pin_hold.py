# SPDX-License-Identifier: Apache-2.0
"""The module pin_hold in a real guest, as a pin path among others."""

import pytest

from hotremove.scenario import MIB, REMOVED

pytestmark = [pytest.mark.live, pytest.mark.hotremove]


def test_pages_pinned_by_the_module_leave_zone_movable(movable_dimm, pin_hold):
    pin = pin_hold.pin(movable_dimm.map(64 * MIB))
    movable_dimm.eject().expect(REMOVED)
    pin.expect_migrated_from(movable_dimm.frames)


def test_a_batch_of_512_pages_takes_one_call_each(movable_dimm, pin_hold):
    pin = pin_hold.pin(movable_dimm.map(64 * MIB), batch=512 * 4096)
    assert pin.calls == 64 * MIB // (512 * 4096)
