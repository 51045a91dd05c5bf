# SPDX-License-Identifier: Apache-2.0
"""QEMU's own monitor (QMP), by libvirt's passthrough: for what libvirt's API has no word for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any


class MonitorRefusal(Exception):
    """QEMU refused a command; the text is QEMU's."""


class Monitor:
    """The monitor of one running domain. All raise libvirt's error when the domain has ended."""

    def __init__(self, domain: Any) -> None:
        """`domain` is libvirt's."""
        self._domain = domain

    def ask(self, command: str, **arguments: Any) -> Any:
        """What a command gives.

        Raises:
            MonitorRefusal: QEMU does not do it.
        """
        import libvirt_qemu

        words = json.dumps({"execute": command, "arguments": arguments})
        return _given(libvirt_qemu.qemuMonitorCommand(self._domain, words, 0))

    def lend(self, descriptor: int, name: str) -> None:
        """Give QEMU a copy of an open file of this process, under a name.

        Raises:
            MonitorRefusal: QEMU does not take it.
        """
        import libvirt_qemu

        words = json.dumps({"execute": "getfd", "arguments": {"fdname": name}})
        answer, _ = libvirt_qemu.qemuMonitorCommandWithFiles(self._domain, words, [descriptor], 0)
        _given(answer)


def virtio_mem_size(devices: Iterable[Mapping[str, Any]]) -> int:
    """Bytes that a guest has of its virtio-mem device, from what `query-memory-devices` gives.

    Raises:
        KeyError: it has no such device.
    """
    for device in devices:
        if device["type"] == "virtio-mem":
            return int(device["data"]["size"])
    raise KeyError("the domain has no virtio-mem device")


def _given(answer: str) -> Any:
    told = json.loads(answer)
    if "error" in told:
        raise MonitorRefusal(str(told["error"].get("desc", told["error"])))
    return told["return"]
