# SPDX-License-Identifier: Apache-2.0
"""The shape of a guest: nodes, CPUs, DIMM slots, IOMMU. A value, read from TOML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from json import dumps
from pathlib import Path
from typing import Any

from hotremove import shapes
from hotremove.errors import UsageProblem
from hotremove.resources import source_folder

CXL_MIB = 256
"""A CXL device and a window have so many MiB, or a multiple (QEMU's CXL_CAPACITY_MULTIPLIER)."""


@dataclass(frozen=True)
class Node:
    """A NUMA node at boot.

    Attributes:
        mib: its memory, MiB.
        cpus: its CPUs as libvirt lists them, `0-1`.
        hotpluggable: whether the firmware says that its memory can be unplugged.
    """

    mib: int
    cpus: str = ""
    hotpluggable: bool = False

    def __post_init__(self) -> None:
        _refuse_negative(self)


@dataclass(frozen=True)
class Topology:
    """What hardware a guest has.

    Attributes:
        name: the file's stem; part of test ids.
        description: one line for a reader.
        cpus: number of virtual CPUs.
        nodes: NUMA nodes at boot, by number.
        movable_node: the node that takes the DIMMs, or the one that the kernel makes of CXL memory:
            the first number that no node at boot has.
        dimm_slots: how many DIMMs fit.
        max_mib: most memory the guest can have, boot memory and DIMMs together, in MiB.
        iommu: whether there is an intel-iommu with interrupt remapping and caching mode.
        endpoints: PCI functions nobody uses, for vfio-pci.
        edu: whether there is QEMU's edu device, which moves bytes by DMA, behind the IOMMU.
        virtio_mem_mib: size of a virtio-mem device on the movable node, unplugged at boot, in MiB.
        soft_reserved_mib: memory of the movable node that the kernel leaves to dax_hmem, in MiB;
            from the node's first byte on.
        cxl_mib: volatile memory of a CXL type-3 device, in MiB, 256 or a multiple; it is no memory
            of the guest's before a region is made of it.
        cmdline: kernel parameters this topology needs.
        dimm_mib: size of a DIMM, or of what the architecture has instead, that is on the movable
            node from power-on, in MiB; 0 for none.
        counts_instructions: whether the guest's clock counts instructions (QEMU's icount), so that
            all it does is the same each time; such a guest runs under TCG, on one CPU.
    """

    name: str
    description: str
    cpus: int
    nodes: tuple[Node, ...]
    movable_node: int
    dimm_slots: int
    max_mib: int
    iommu: bool = False
    endpoints: int = 0
    edu: bool = False
    virtio_mem_mib: int = 0
    soft_reserved_mib: int = 0
    cxl_mib: int = 0
    cmdline: str = ""
    dimm_mib: int = 0
    counts_instructions: bool = False

    def __post_init__(self) -> None:
        _refuse_negative(self)
        if self.cxl_mib % CXL_MIB:
            raise ValueError(f"cxl_mib = {self.cxl_mib} is no multiple of {CXL_MIB}")
        if self.movable_node >= len(self.nodes) + bool(self.cxl_mib):
            raise ValueError(
                f"movable_node {self.movable_node} is none of its {len(self.nodes)} nodes"
            )

    @property
    def boot_mib(self) -> int:
        """Memory at boot, all nodes together, in MiB."""
        return sum(node.mib for node in self.nodes)

    @property
    def fingerprint(self) -> str:
        """Canonical text of everything that shapes the machine."""
        return dumps(asdict(self), sort_keys=True)


def parse_topology(name: str, table: Mapping[str, Any]) -> Topology:
    """A topology from its TOML table.

    Raises:
        UsageProblem: a key is missing, unknown or of the wrong type.
    """
    try:
        return shapes.convert_closed(_fields(name, table), Topology)
    except ValueError as error:
        raise UsageProblem(f"topology {name}: {error}") from error


def _fields(name: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """The table with its [[node]]s under the name of their field.

    Raises:
        ValueError: there is a key by which only the field is called.
    """
    for key in ("name", "nodes"):
        if key in table:
            raise ValueError(f"unknown key `{key}`")
    others = {key: value for key, value in table.items() if key != "node"}
    return {"name": name, "nodes": table.get("node", []), **others}


def _refuse_negative(shape: Node | Topology) -> None:
    """Raise a ValueError when a number is negative."""
    for name, value in vars(shape).items():
        if isinstance(value, int) and value < 0:
            raise ValueError(f"{name} = {value} is negative")


def load_topology(name: str) -> Topology:
    """A topology by the name of a file in guests/topologies, or by path.

    Raises:
        UsageProblem: there is no such file, or it is not a topology.
    """
    shelf = source_folder("guests") / "topologies"
    path = Path(name) if name.endswith(".toml") else shelf / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in shelf.glob("*.toml")))
        raise UsageProblem(f"no topology {name!r}: known are {known}, or give a path to a .toml")
    table = shapes.parse_toml(path, shapes.read_text(path))
    return parse_topology(path.stem, table)
