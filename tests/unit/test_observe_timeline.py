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


def ticking(*ticks: float) -> Timeline:
    """A timeline whose clock shows these, one a look."""
    shown = iter(ticks)
    return Timeline(lambda: next(shown))


def test_small_things_that_follow_each_other_are_one_moment():
    timeline = ticking(0.0, 1.0, 2.0, 2.01, 3.0, 9.0, 9.5)
    for _ in range(3):
        with timeline.passing("agent: run"):
            assert timeline.activity == Activity("boot", 0.0)
    assert timeline.moments == (Moment("agent: run", 1.0, 2.0), Moment("agent: run", 9.0, 0.5))


def test_small_things_of_different_names_or_in_different_spans_are_not():
    timeline = ticking(0.0, 1.0, 1.1, 1.1, 1.2, 1.2, 1.2, 1.3, 1.4)
    with timeline.passing("agent: run"):
        pass
    with timeline.passing("agent: read"):
        pass
    with timeline.span("map 4 MiB"), timeline.passing("agent: read"):
        pass
    names = [(one.name, round(one.start, 3)) for one in timeline.moments]
    assert names == [
        ("agent: run", 1.0),
        ("agent: read", 1.1),
        ("agent: read", 1.2),
        ("map 4 MiB", 1.2),
    ]


def test_a_small_thing_within_another_is_no_moment():
    timeline = ticking(0.0, 1.0, 2.0)
    with timeline.passing("holder: fault"), timeline.passing("agent: line"):
        pass
    assert timeline.moments == (Moment("holder: fault", 1.0, 1.0),)


def test_another_timelines_moments_are_told_by_this_ones_clock():
    test, guest = ticking(10.0), ticking(12.0, 13.0)
    test.take_in(guest)
    guest.until_now("restored")
    assert test.moments == (Moment("restored", 2.0, 1.0),)


def test_a_timeline_can_be_begun_anew():
    timeline = ticking(0.0, 1.0, 2.0, 20.0, 21.0, 22.0)
    with timeline.span("plug 4 MiB"):
        pass
    timeline.begin()
    with timeline.span("map 4 MiB"):
        pass
    assert timeline.moments == (Moment("map 4 MiB", 1.0, 1.0),)
