# SPDX-License-Identifier: Apache-2.0
"""The sockets of a connection that answers no more are made to fail; others are left alone."""

import socket
import threading

import pytest

from hotremove.virt import connection_watchdog
from hotremove.virt.connection_watchdog import ConnectionWatchdog


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(connection_watchdog, "_BEAT", 0.01)
    monkeypatch.setattr(connection_watchdog, "_SILENCE", 0.2)


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def held(made: list[socket.socket]) -> ConnectionWatchdog:
    watchdog = ConnectionWatchdog()
    with watchdog.catch():
        made.extend(socket.socketpair())
    return watchdog


def test_silence_ends_a_read_that_waits(pair):
    made: list[socket.socket] = []
    watchdog = held(made)
    watchdog.begin(threading.Event().wait)
    made[0].settimeout(5)
    assert made[0].recv(1) == b"", "the end of the stream, before the 5 s are over"
    pair[0].settimeout(0.1)
    with pytest.raises(TimeoutError):
        pair[0].recv(1)
    for each in made:
        each.close()


def test_answers_keep_it_open_and_its_end_closes_nothing(monkeypatch):
    monkeypatch.setattr(connection_watchdog, "_SILENCE", 2.0)  # a busy machine may pause for some
    made: list[socket.socket] = []
    watchdog = held(made)
    asked = threading.Event()
    watchdog.begin(asked.set)
    made[0].settimeout(3)
    with pytest.raises(TimeoutError):
        made[0].recv(1)
    assert asked.is_set()
    watchdog.end()
    made[1].sendall(b"x")
    assert made[0].recv(1) == b"x"
    for each in made:
        each.close()


def test_its_end_lets_go_of_the_sockets():
    made: list[socket.socket] = []
    watchdog = held(made)
    watchdog.begin(lambda: None)
    watchdog.end()
    made[0].close()
    made[1].settimeout(5)
    assert made[1].recv(1) == b"", "nobody else holds the other side"
    made[1].close()


def test_its_end_does_not_wait_for_an_answer():
    made: list[socket.socket] = []
    watchdog = held(made)
    watchdog.begin(lambda: made[0].recv(1))
    threading.Event().wait(0.05)
    watchdog.end()
    assert made[0].recv(1) == b""
    for each in made:
        each.close()
