# SPDX-License-Identifier: Apache-2.0
"""Scenarios that leave a pin behind, which outlives its holder; run by test_watchfulness.py."""

import pytest

from hotremove.pins.take import take_pin
from hotremove.scenario import MIB, REMOVED

pytestmark = [pytest.mark.hotremove, pytest.mark.usefixtures("pin_hold")]


def remove_under_a_lasting_pin(dimm):
    take_pin(dimm.map(MIB), "kmod", "pin_hold pin", detached=1)
    dimm.eject().expect(REMOVED)


def test_a_pin_is_left(movable_dimm):
    remove_under_a_lasting_pin(movable_dimm)


@pytest.mark.open_books("its pin outlives its holder")
def test_a_pin_is_left_by_design(movable_dimm):
    remove_under_a_lasting_pin(movable_dimm)
