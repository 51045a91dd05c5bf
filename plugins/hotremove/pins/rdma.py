# SPDX-License-Identifier: Apache-2.0
"""Pins by RDMA memory regions, on an rxe device over a dummy network device."""

from __future__ import annotations

import errno

from hotremove.errors import CapabilityAbsent
from hotremove.guest.machine import Guest
from hotremove.pins.buffer import Buffer, PinRefused
from hotremove.pins.pin import Pin

PINNED = 0
DEVICE = "rxe0"
_PRESENT = f"test -e /sys/class/infiniband/{DEVICE}"
_SET_UP = (
    "ip link add rdma0 type dummy && ip addr add 192.0.2.1/24 dev rdma0 && "
    f"ip link set rdma0 up && rxe_link {DEVICE} rdma0"
)


class Rdma:
    """The guest's rxe device.

    >>> region = rdma.pin(movable_dimm.map(128 * MIB))
    """

    def __init__(self, guest: Guest) -> None:
        """Make the device if it is not there.

        Raises:
            CapabilityAbsent: the kernel lacks rdma_rxe or what it needs.
        """
        self.guest = guest
        for module in ("rdma_rxe", "ib_uverbs", "dummy"):
            if module in guest.plan.image.absent:
                raise CapabilityAbsent(f"the kernel lacks CONFIG_{_OPTION[module]}: no {module}")
        if not guest.control.run(_PRESENT).ok:
            made = guest.control.run(_SET_UP)
            if not made.ok:
                said = made.stderr.decode(errors="replace").strip()
                raise CapabilityAbsent(f"the kernel gives no rxe device (RDMA_RXE): {said}")

    def pin(
        self,
        buffer: Buffer,
        batch: int | None = None,
        offset: int | None = None,
        size: int | None = None,
    ) -> Pin:
        """Register the buffer as memory regions of `batch` bytes each, by default as one.

        `offset` and `size`, bytes, choose a part of it.

        Raises:
            PinRefused: ibv_reg_mr's errno.
        """
        part = {"offset": offset, "bytes": size}
        return buffer.pin("rdma", "rxe memory region", True, device=DEVICE, batch=batch, **part)

    def try_to_pin(self, buffer: Buffer) -> int:
        """Pin the buffer where either is right: `PINNED` (0), or the errno of the refusal."""
        try:
            self.pin(buffer)
        except PinRefused as refusal:
            return refusal.errno or errno.EIO
        return PINNED

    def pinned_bytes(self, buffer: Buffer) -> int:
        """What the kernel accounts to the holder: VmPin, umem's pinned_vm, bytes."""
        return buffer.status()["VmPin"]


_OPTION = {"rdma_rxe": "RDMA_RXE", "ib_uverbs": "INFINIBAND_USER_ACCESS", "dummy": "DUMMY"}
