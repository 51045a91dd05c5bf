# SPDX-License-Identifier: Apache-2.0
"""What was done to a guest, and when."""

import pytest

from hotremove.observe.timeline import Activity, Moment, Timeline


def test_moments_count_from_the_beginning():
    ticks = iter([100.0, 103.0, 104.0, 109.5])
    timeline = Timeline(lambda: next(ticks))
    timeline.until_now("restored")
    with timeline.span("plug 512 MiB"):
        pass
    assert timeline.moments == (Moment("restored", 0.0, 3.0), Moment("plug 512 MiB", 4.0, 5.5))


def test_what_fails_took_time_too():
    timeline = Timeline()
    with pytest.raises(KeyError), timeline.span("pin through rdma"):
        raise KeyError
    assert [moment.name for moment in timeline.moments] == ["pin through rdma"]


def test_what_is_under_way_is_told_the_innermost_first():
    timeline = Timeline(lambda: 7.0)
    assert timeline.activity == Activity("boot", 7.0)
    timeline.until_now("restored")
    assert timeline.activity is None
    with timeline.span("remove by ACPI eject", 30.0):
        with timeline.span("SIGTERM"):
            assert timeline.activity == Activity("SIGTERM", 7.0)
        assert timeline.activity == Activity("remove by ACPI eject", 7.0, 30.0)
    assert timeline.activity is None
