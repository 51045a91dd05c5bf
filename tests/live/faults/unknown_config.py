# SPDX-License-Identifier: Apache-2.0
"""A kernel whose configuration nobody has; run by test_set_up.py."""

import pytest

from hotremove.errors import Blocked
from hotremove.pins.rdma import Rdma

pytestmark = pytest.mark.hotremove


def test_what_nobody_knows_is_blocked(guest):
    assert not guest.plan.image.kernel.config
    told = r"no module rdma_rxe; whether it has CONFIG_INFINIBAND, .* is not known: give its config"
    with pytest.raises(Blocked, match=told):
        Rdma(guest)
