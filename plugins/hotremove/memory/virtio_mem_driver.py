# SPDX-License-Identifier: Apache-2.0
"""The guest's virtio-mem driver, seen from outside: has it heard of a request, is it at work?"""

from __future__ import annotations

import re

from hotremove.guest.control import Control

_DEVICES = "ls /sys/bus/virtio/drivers/virtio_mem 2>/dev/null"
# What the driver does it does on this queue of work (system_freezable_wq). A worker of the kernel
# carries its queue's name, with a plus while it works (wq_worker_comm() in kernel/workqueue.c,
# since 4.18); hardly anybody else uses the queue.
_AT_WORK = "grep -qs '+events_freezable$' /proc/[0-9]*/comm"
_DEVICE = re.compile(r"^virtio\d+$", re.MULTILINE)


class VirtioMemDriver:
    """What there is to see of the driver."""

    def __init__(self, control: Control) -> None:
        """Nothing is looked at yet."""
        self._control = control

    def requests_heard(self) -> int:
        """How often the device has interrupted the guest to say that its size is to change."""
        devices = _DEVICE.findall(self._control.run(_DEVICES).text)
        return count_interrupts(self._control.read("/proc/interrupts"), devices)

    def is_at_work(self) -> bool:
        """Whether it is plugging or unplugging; between two tries it waits 50 s and more."""
        return self._control.run(_AT_WORK).ok


def count_interrupts(interrupts: str, devices: list[str]) -> int:
    """How often devices were interrupted for their configuration, from /proc/interrupts.

    The line is the device's `-config` one, or its only one where it has no vector of its own
    (drivers/virtio/virtio_pci_common.c).

    Example:
        >>> count_interrupts(" 24:  3  4  PCI-MSI 0-edge  virtio1-config", ["virtio1"])
        7
    """
    names = {name for device in devices for name in (device, f"{device}-config")}
    lines = (line.split() for line in interrupts.splitlines())
    return sum(
        int(word)
        for words in lines
        if words and words[-1] in names
        for word in _leading_numbers(words[1:])
    )


def _leading_numbers(words: list[str]) -> list[str]:
    """The counts of a line, one of each CPU."""
    end = next((place for place, word in enumerate(words) if not word.isdigit()), len(words))
    return words[:end]
