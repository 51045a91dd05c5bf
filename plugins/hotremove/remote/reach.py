# SPDX-License-Identifier: Apache-2.0
"""Whether a host's libvirt can be reached: libvirt itself would wait for minutes."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from hotremove.errors import HostProblem
from hotremove.remote.hosts import Host

DEADLINE = 5.0
_PORTS = {"qemu+tls": 16514, "qemu": 16514, "qemu+tcp": 16509}


def require_reachable(host: Host) -> None:
    """Connect to the host's port and hang up; ssh has its own settings, ConnectTimeout.

    Raises:
        HostProblem: nobody answers within 5 s.
    """
    parts = urlsplit(host.uri)
    if not parts.hostname or parts.scheme not in _PORTS:
        return
    address = (parts.hostname, parts.port or _PORTS[parts.scheme])
    try:
        socket.create_connection(address, DEADLINE).close()
    except OSError as error:
        told = error.strerror or str(error)
        raise HostProblem(f"host {host.name}: {parts.hostname}:{address[1]}: {told}") from error
