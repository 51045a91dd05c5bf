# SPDX-License-Identifier: Apache-2.0
"""Calls that do not come back do not hold up who makes them."""

import os
import signal
import threading
import time

import pytest

from hotremove.virt import calls
from hotremove.virt.calls import bounded
from hotremove.virt.clock import CLOCK


def nothing():
    pass


def test_what_a_call_gives_or_raises():
    assert bounded(lambda: 7, 5, nothing) == 7
    with pytest.raises(KeyError):
        bounded(lambda: {}[1], 5, nothing)


def test_what_a_call_waits_for_is_ended():
    ended = threading.Event()
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        bounded(lambda: ended.wait(60), 0.3, ended.set)
    assert 0.3 <= time.monotonic() - start < 5
    assert threading.active_count() == len(threading.enumerate())


def test_a_call_that_never_comes_back_is_left_to_itself(monkeypatch):
    monkeypatch.setattr(calls, "_GRACE", 0.2)
    never = threading.Event()
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        bounded(lambda: never.wait(60), 0.2, nothing)
    assert time.monotonic() - start < 5
    never.set()


def test_while_a_debugger_is_at_work_nothing_is_ended():
    CLOCK.stop()
    try:
        assert bounded(lambda: time.sleep(1.5) or "came", 0.2, nothing) == "came"
    finally:
        CLOCK.go_on()


def test_who_waits_can_be_interrupted(monkeypatch):
    monkeypatch.setattr(calls, "_GRACE", 0.2)
    never = threading.Event()

    def ring(*_):
        raise InterruptedError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    start = time.monotonic()
    try:
        with pytest.raises(InterruptedError):
            bounded(lambda: never.wait(60), 60, nothing)
    finally:
        signal.signal(signal.SIGALRM, before)
        never.set()
    assert time.monotonic() - start < 5
    assert os.getpid()
