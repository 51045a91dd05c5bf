# SPDX-License-Identifier: Apache-2.0
"""A kernel that tells its configuration in the guest; run by test_set_up.py."""

from dataclasses import replace

import pytest

from hotremove.guest.capability import configuration

pytestmark = pytest.mark.hotremove


def test_the_guest_tells_what_came_with_the_kernel(guest):
    image = guest.plan.image
    known = dict(image.kernel.config)
    assert known["IKCONFIG_PROC"] == "y"
    unknown = replace(image, kernel=replace(image.kernel, config={}))
    guest.plan = replace(guest.plan, image=unknown)
    assert configuration(guest) == known
