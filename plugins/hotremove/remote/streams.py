# SPDX-License-Identifier: Apache-2.0
"""A remote guest's channels through libvirt's streams, made to look like those of a local one.

Logs are copied into local files as they come. The agent's channel and the shell become local
sockets, so that nothing else needs to know where the guest runs.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hotremove.errors import GuestLost
from hotremove.virt.calls import CALL
from hotremove.virt.domain import CONTROL_PORT, EVIDENCE_PORT, Channels
from hotremove.virt.hypervisor import Hypervisor

_PIECE = 1 << 16
CONSOLE = "serial0"
SHELL = "serial1"


class RemoteChannels:
    """The channels of one guest on a host, as local files and sockets.

    Opened while the guest's CPUs are stopped, so that no first byte is missed.
    """

    def __init__(self, hypervisor: Hypervisor, domain: Any, channels: Channels) -> None:
        """Begin to copy the logs of `domain`, and listen where `channels` says.

        Raises:
            GuestLost: the guest or its host is gone.
        """
        self._hypervisor = hypervisor
        self._domain = domain
        self._logs = [
            self._copy(self._console(CONSOLE), channels.console),
            self._copy(self._channel(EVIDENCE_PORT), channels.evidence),
        ]
        self._relays = [
            Relay(channels.control, lambda: self._channel(CONTROL_PORT)),
            Relay(channels.shell, lambda: self._console(SHELL)),
        ]

    def drain(self, seconds: float) -> None:
        """Wait until what an ended guest has said is here, `seconds` at most for each log."""
        for log in self._logs:
            log.join(seconds)

    def close(self) -> None:
        """Listen no more; the threads end with the guest's streams."""
        for relay in self._relays:
            relay.close()

    def _copy(self, stream: Any, file: Path) -> threading.Thread:
        file.touch()
        thread = threading.Thread(target=_copy_all, args=(stream, file), daemon=True)
        thread.start()
        return thread

    def _console(self, alias: str) -> Any:
        with self._hypervisor.limited(GuestLost, f"opening {alias}", CALL):
            stream = self._hypervisor.connection.newStream(0)
            self._domain.openConsole(alias, stream, 0)
            return stream

    def _channel(self, name: str) -> Any:
        with self._hypervisor.limited(GuestLost, f"opening {name}", CALL):
            stream = self._hypervisor.connection.newStream(0)
            self._domain.openChannel(name, stream, 0)
            return stream


class Relay:
    """A local socket whose one caller at a time talks to a stream of the guest."""

    def __init__(self, path: Path, dial: Callable[[], Any]) -> None:
        """Listen at `path`; `dial` opens the stream when somebody calls."""
        self._dial = dial
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(1)
        threading.Thread(target=self._serve, name=f"relay-{path.name}", daemon=True).start()

    def close(self) -> None:
        """Take no more calls."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                self._connect(caller)

    def _connect(self, caller: socket.socket) -> None:
        with caller:
            try:
                stream = self._dial()
            except GuestLost:
                return  # the caller finds its socket closed
            answers = threading.Thread(target=_to_socket, args=(stream, caller), daemon=True)
            answers.start()
            _to_stream(caller, stream)
            answers.join()


def _receive(stream: Any) -> bytes:
    """The next bytes of a stream; none at its end, however it ended."""
    try:
        data: bytes = stream.recv(_PIECE)
    except Exception:  # libvirt's own error class, which is known only where libvirt is loaded
        return b""
    return data


def _copy_all(stream: Any, file: Path) -> None:
    with file.open("ab", buffering=0) as target:
        while data := _receive(stream):
            target.write(data)
    _end(stream)


def _to_socket(stream: Any, caller: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := _receive(stream):
            caller.sendall(data)
    with contextlib.suppress(OSError):
        caller.shutdown(socket.SHUT_RDWR)


def _to_stream(caller: socket.socket, stream: Any) -> None:
    """Until either side ends; the stream is ended with it."""
    with contextlib.suppress(Exception):
        while data := caller.recv(_PIECE):
            while data:
                data = data[stream.send(data) :]
    _end(stream)


def _end(stream: Any) -> None:
    with contextlib.suppress(Exception):
        stream.abort()
