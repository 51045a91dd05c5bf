# SPDX-License-Identifier: Apache-2.0
"""How removable memory can come to a guest: by DIMMs, by virtio-mem, by DIMMs of a module's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from hotremove.kernels.kernel import Candidate
from hotremove.memory.auto_movable import AutoMovable
from hotremove.memory.dimm import Dimm
from hotremove.memory.handled_dimm import KMOD, HandledDimm
from hotremove.memory.memory_device import MemoryDevice
from hotremove.memory.normal_memory import NormalMemory
from hotremove.memory.virtio_mem import VirtioMem
from hotremove.virt.topology import Topology


class NormalDimm(NormalMemory, Dimm):
    """A DIMM in ZONE_NORMAL."""


class NormalVirtioMem(NormalMemory, VirtioMem):
    """virtio-mem in ZONE_NORMAL."""


class AutoMovableDimm(AutoMovable, Dimm):
    """A DIMM that the kernel itself puts in ZONE_MOVABLE."""


class AutoMovableVirtioMem(AutoMovable, VirtioMem):
    """virtio-mem that the kernel itself puts in ZONE_MOVABLE."""


class NormalHandledDimm(NormalMemory, HandledDimm):
    """A DIMM that a module handles, in ZONE_NORMAL."""


class AutoMovableHandledDimm(AutoMovable, HandledDimm):
    """A DIMM that a module handles, and the kernel itself puts in ZONE_MOVABLE."""


def _with_virtio_mem(topology: Topology, mib: int) -> Topology:
    """The same guest with a virtio-mem device of at least `mib` MiB."""
    return replace(topology, virtio_mem_mib=max(topology.virtio_mem_mib, mib))


def _as_it_is(topology: Topology, mib: int) -> Topology:
    """The same guest: a DIMM comes when it is wanted, and needs a free slot only."""
    del mib
    return topology


@dataclass(frozen=True)
class MemoryKind:
    """A way in which removable memory comes.

    Attributes:
        name: what options and records call it.
        movable: memory in ZONE_MOVABLE.
        normal: memory in ZONE_NORMAL.
        auto_movable: memory that the kernel puts in ZONE_MOVABLE by its own policy.
        equip: a topology with what has to be there when a guest starts, for so many MiB.
        kmod: the module of the farm that the guest's kernel needs for it, or empty.
    """

    name: str
    movable: type[MemoryDevice]
    normal: type[NormalMemory]
    auto_movable: type[AutoMovable]
    equip: Callable[[Topology, int], Topology]
    kmod: str = ""

    @property
    def capability(self) -> str:
        """What it needs of a kernel, by its name in `kernels.capabilities`."""
        return self.movable.capability


DIMM = MemoryKind("dimm", Dimm, NormalDimm, AutoMovableDimm, _as_it_is)
VIRTIO_MEM = MemoryKind(
    "virtio-mem", VirtioMem, NormalVirtioMem, AutoMovableVirtioMem, _with_virtio_mem
)
HANDLED_DIMM = MemoryKind(
    "dimm-by-module", HandledDimm, NormalHandledDimm, AutoMovableHandledDimm, _as_it_is, KMOD
)
KINDS = {kind.name: kind for kind in (DIMM, VIRTIO_MEM, HANDLED_DIMM)}
"""All there are, by name."""


def default_kind(kernel: Candidate) -> MemoryKind:
    """How memory comes to guests of a kernel unless somebody says otherwise."""
    return KINDS[kernel.arch.memory]


def choose_kind(asked: str, kernel: Candidate) -> MemoryKind:
    """The kind that was asked for, or the kernel's default where nobody asked."""
    return KINDS[asked] if asked else default_kind(kernel)
