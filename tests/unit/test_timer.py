# SPDX-License-Identifier: Apache-2.0
"""The time of a test as a whole: what counts, and what does not."""

import signal
import time
from types import SimpleNamespace

import pytest

from hotremove.errors import GuestLost
from hotremove.patience import ELSEWHERE
from hotremove.plugin.farm import FARM
from hotremove.plugin.timelimit import Timer, default_limit
from hotremove.verdict.overdue import TestOverdue
from hotremove.virt.clock import CLOCK


@pytest.fixture
def item():
    """What a timer has to know of a test."""
    options = SimpleNamespace(boot_deadline=120.0, deadline=30.0, rounds=40)
    stash = pytest.Stash()
    stash[FARM] = SimpleNamespace(guests=(), options=options)
    config = SimpleNamespace(stash=stash)
    return SimpleNamespace(
        stash=pytest.Stash(),
        config=config,
        name="test_it",
        fixturenames=["guest"],
        get_closest_marker=lambda _name: None,
    )


@pytest.fixture
def timer(item):
    before = signal.getsignal(signal.SIGALRM)
    made = Timer(item)
    yield made
    made.stop()
    signal.signal(signal.SIGALRM, before)


def test_a_test_that_takes_too_long_is_lost(timer):
    timer.start(0.2)
    with pytest.raises(TestOverdue, match=r"more than the 0\.2 s it has as a whole"):
        time.sleep(5)
    assert issubclass(TestOverdue, GuestLost)


def test_a_debugger_stops_it(timer):
    timer.start(0.2)
    CLOCK.stop()
    try:
        time.sleep(1.5)
    finally:
        CLOCK.go_on()
    with pytest.raises(TestOverdue):
        time.sleep(5)


def test_what_others_take_does_not_count(timer):
    timer.start(0.3)
    with ELSEWHERE.running():
        time.sleep(1.5)
    with pytest.raises(TestOverdue):
        time.sleep(5)


def test_it_is_over_with_the_test(timer):
    timer.start(0.1)
    timer.stop()
    time.sleep(0.3)


def test_the_default_is_far_from_every_deadline(item):
    assert default_limit(item) == 2 * 120 + 20 * 60
    item.fixturenames.append("rounds")
    assert default_limit(item) == 2 * 120 + (20 + 5 * 40) * 60


@pytest.mark.parametrize("what", ["nightly", "pin_cost"])
def test_what_takes_a_night_has_half_a_day(item, what):
    if what == "pin_cost":
        item.fixturenames.append("pin_cost")
    else:
        item.get_closest_marker = lambda name: name == "nightly"
    assert default_limit(item) == 12 * 3600
