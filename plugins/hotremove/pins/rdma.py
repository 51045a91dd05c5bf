# SPDX-License-Identifier: Apache-2.0
"""Pins by RDMA memory regions, on an rxe device over a dummy network device."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, starmap
from random import Random
from typing import Any

from hotremove.errors import CapabilityAbsent
from hotremove.guest.capability import refusal
from hotremove.guest.machine import Guest
from hotremove.kernels.capabilities import Capability, find
from hotremove.observe.span import overlap
from hotremove.pins.buffer import Buffer
from hotremove.pins.holder import PinRefused
from hotremove.pins.path import FindKmod, PinPath, no_kmods
from hotremove.pins.pin import Pin
from hotremove.pins.take import begin_pin, take_pin
from hotremove.pins.traffic import Range, pieces
from hotremove.virt.hostdev import RDMA_DRIVERS

DEVICE = "rxe0"
_EMULATED = find("rdma pins")
_OF_THE_HOST = find("pins by a device of the host")
_LABEL = "rxe memory region"
# Between two pins that are to overlap, seconds at most; one of 16 MiB takes 0.03 s under TCG.
_APART = 0.02
_PRESENT = f"test -e /sys/class/infiniband/{DEVICE}"
_SET_UP = (
    "ip link add rdma0 type dummy && ip addr add 192.0.2.1/24 dev rdma0 && "
    f"ip link set rdma0 up && rdma_link {DEVICE} rxe rdma0"
)


@dataclass(frozen=True)
class AtOnce:
    """What came of pins that were begun at once.

    Attributes:
        made: those that were made.
        refused: the buffers that were refused for a page that another held.
        raced: whether two were under way at a time: one was refused for another, or by their times.
    """

    made: tuple[Pin, ...]
    refused: tuple[Buffer, ...]
    raced: bool
    again: Callable[[Buffer], Pin]

    def pins(self) -> Iterator[Pin]:
        """Those that were made, to be looked at first; then the refused ones, made alone.

        Raises:
            PinRefused: one is refused again.
        """
        yield from self.made
        yield from map(self.again, self.refused)


class Rdma(PinPath):
    """The guest's rxe device, or one of the host that it was given.

    >>> region = rdma.pin(movable_memory.map(128 * MIB))
    """

    capabilities = (_EMULATED,)

    def __init__(self, guest: Guest, find_kmod: FindKmod = no_kmods) -> None:
        """Make the device if it is not there.

        Raises:
            CapabilityAbsent: the kernel was built without rdma_rxe or what it needs.
            Blocked: there is no device, though it may have been built with it.
        """
        super().__init__(guest, find_kmod)
        self.device = DEVICE
        if guest.plan.device("rdma"):
            self.device = self._find_given()
        elif not guest.control.run(_PRESENT).ok:
            made = guest.control.run(_SET_UP)
            if not made.ok:
                raise refusal(guest, _EMULATED, f"no rxe device: {made.complaint}")

    @classmethod
    def needs(cls, guest: Guest) -> tuple[Capability, ...]:
        """Rxe is not needed where the host gave a device."""
        return (_OF_THE_HOST,) if guest.plan.device("rdma") else cls.capabilities

    def _find_given(self) -> str:
        """The host's device, driven in the guest."""
        load = "; ".join(f"modprobe -q {driver}" for driver in RDMA_DRIVERS)
        found = self.guest.control.run(f"{load}; ls /sys/class/infiniband").text.split()
        if not found:
            drivers = ", ".join(RDMA_DRIVERS)
            complaint = f"none of the drivers {drivers} has found the device"
            raise refusal(self.guest, _OF_THE_HOST, complaint)
        return found[0]

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
        part: dict[str, Any] = {"offset": offset, "bytes": size}
        return take_pin(buffer, "rdma", _LABEL, True, device=self.device, batch=batch, **part)

    def begin(self, buffer: Buffer) -> Callable[[], Pin]:
        """Begin to register the buffer; what it returns waits for the end, and raises as `pin`."""
        return begin_pin(buffer, "rdma", _LABEL, device=self.device)

    def pin_at_once(self, buffers: Sequence[Buffer], rng: Random) -> AtOnce:
        """Register each buffer by its own process, begun within some milliseconds of each other.

        A page that one of them looks at cannot be migrated by another at that moment; the kernel
        gives up after some tries, with -ENOMEM (mm/gup.c, migrate_longterm_unpinnable_folios()).

        Raises:
            PinRefused: ibv_reg_mr's errno, where it is another one.
        """
        begun = []
        for buffer in buffers:
            begun.append(self.begin(buffer))
            time.sleep(rng.uniform(0, _APART))
        tried = list(zip(buffers, [_try(finish) for finish in begun], strict=True))
        made = tuple(pin for _, pin in tried if pin)
        refused = tuple(buffer for buffer, pin in tried if not pin)
        met = any(starmap(overlap, combinations((pin.span for pin in made), 2)))
        return AtOnce(made, refused, bool(refused) or met, self.pin)

    def pin_on_demand(self, buffer: Buffer) -> Pin:
        """Register the buffer as a region whose pages are looked up when the device uses them.

        Raises:
            CapabilityAbsent: rxe offers no such regions.
            PinRefused: ibv_reg_mr's errno.
        """
        try:
            return take_pin(
                buffer, "rdma", "on-demand memory region", False, device=self.device, odp=1
            )
        except PinRefused as refusal:
            if "IBV_ODP_SUPPORT" not in str(refusal):
                raise
            told = "the device offers no IBV_ODP_SUPPORT: rxe has on-demand paging from 6.15"
            raise CapabilityAbsent(told) from None

    def pin_with_window(self, buffer: Buffer) -> Pin:
        """Register the buffer, and have the device use it by a memory window alone.

        Raises:
            CapabilityAbsent: rxe has no memory windows.
            PinRefused: ibv_reg_mr's errno, or that of making the window.
        """
        label = "rxe memory region with a window"
        try:
            return take_pin(buffer, "rdma", label, device=self.device, window=1)
        except PinRefused as refusal:
            if refusal.errno != errno.EOPNOTSUPP:
                raise
            told = "the device has no memory windows (ibv_alloc_mw): rxe has them from 5.14"
            raise CapabilityAbsent(told) from None

    def dma_ranges(self, size: int, rng: Random) -> tuple[Range, ...]:
        """What the device moves of `size` bytes: all of it."""
        del rng
        return pieces(size)

    def pinned_bytes(self, buffer: Buffer) -> int:
        """What the kernel accounts to the holder: VmPin, umem's pinned_vm, bytes."""
        return buffer.status()["VmPin"]


def _try(finish: Callable[[], Pin]) -> Pin | None:
    try:
        return finish()
    except PinRefused as refusal:
        if refusal.errno != errno.ENOMEM:
            raise
        return None
