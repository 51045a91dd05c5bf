# SPDX-License-Identifier: Apache-2.0
"""Notices that a libvirt behind a socket is gone, and ends every call that waits for it.

libvirt's own keep-alive does not: of several threads in a call, the one that reads the socket
returns with an error, and the next to read it finds nothing left that would end it, or freed
memory (libvirt 9.0, virNetClientIOEventLoop). A socket that fails ends all of them, so this one is
made to: by TCP when the machine is cut off, by us when its libvirt says nothing.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# Seconds between two questions; without an answer for so long, libvirt is given up. A machine that
# is merely busy was seen to answer within 2 s.
_BEAT, _SILENCE = 2.0, 30.0
# TCP asks after 2 s of silence, then each second, four times; what is sent is given 6 s.
_TCP = {
    socket.TCP_KEEPIDLE: 2,
    socket.TCP_KEEPINTVL: 1,
    socket.TCP_KEEPCNT: 4,
    socket.TCP_USER_TIMEOUT: 6000,
}


class ConnectionWatchdog:
    """The sockets of one connection, and the thread that asks for signs of life."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._answered, self._ended = threading.Event(), threading.Event()
        self._asking = threading.Thread(name="connection-watchdog")

    @contextmanager
    def catch(self) -> Iterator[None]:
        """Take hold of the sockets that are opened meanwhile: TCP's, or those to an ssh client."""
        before = _open_sockets()
        yield
        for number in _open_sockets() - before:
            with contextlib.suppress(OSError):  # closed again
                held = socket.socket(fileno=os.dup(number))
                self._sockets.append(held)
                _fail_early(held)

    def begin(self, ask: Callable[[], object]) -> None:
        """Ask again and again; once there is no answer, make the sockets fail."""
        self._asking = _start(lambda: self._ask(ask))
        _start(self._watch)

    def end(self) -> None:
        """Ask no more: the connection may be closed after this."""
        self._ended.set()
        self._asking.join(_BEAT)
        if self._asking.is_alive():
            self.fail()
            self._asking.join(_SILENCE)
        self._answered.set()

    def fail(self) -> None:
        """Give the connection up: all that wait for it get an error."""
        for held in self._sockets:
            with contextlib.suppress(OSError):  # the other side was faster
                held.shutdown(socket.SHUT_RDWR)

    def _ask(self, ask: Callable[[], object]) -> None:
        with contextlib.suppress(Exception):  # libvirt's error, which all who call it get
            while not self._ended.wait(_BEAT):
                ask()
                self._answered.set()

    def _watch(self) -> None:
        while self._answered.wait(_SILENCE) and not self._ended.is_set():
            self._answered.clear()
        if not self._ended.is_set():
            self.fail()
        for held in self._sockets:
            held.close()


def _start(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, name="connection-watchdog", daemon=True)
    thread.start()
    return thread


def _fail_early(held: socket.socket) -> None:
    """Let TCP give up a machine that is cut off after 6 to 10 s, not after 15 min."""
    if held.family in (socket.AF_INET, socket.AF_INET6):
        held.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _TCP.items():
            held.setsockopt(socket.IPPROTO_TCP, option, value)


def _open_sockets() -> set[int]:
    """Numbers of this process's sockets."""
    numbers = (int(entry.name) for entry in Path("/proc/self/fd").iterdir())
    return {number for number in numbers if _is_socket(number)}


def _is_socket(number: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:
        return False
