# SPDX-License-Identifier: Apache-2.0
"""What a guest says of itself that is not there to be asked."""

import pytest

from hotremove.errors import GuestDied, GuestLost
from hotremove.guest.machine import Guest
from hotremove.virt.domain import Channels

PANIC = "[    1.000000] Kernel panic - not syncing: sysrq triggered crash\n"


@pytest.fixture
def ended(tmp_path):
    """A guest that has ended; what it said can be written to its console."""
    return Guest(None, "gone", Channels(tmp_path), None, "booted")


def test_one_that_has_ended_has_no_log_that_is_known_to_be_whole(ended):
    with pytest.raises(GuestLost, match="it was never started"):
        ended.reports()


def test_one_that_said_why_died(ended):
    ended.console.path.write_text(PANIC)
    with pytest.raises(GuestDied, match="sysrq triggered crash"):
        ended.reports()
    assert [report.kind for report in ended.console_reports()] == ["panic"]
