# SPDX-License-Identifier: Apache-2.0
"""The shape of a guest: nodes, CPUs, DIMM slots, IOMMU. A value, read from TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from json import dumps
from pathlib import Path
from typing import Any, TypeVar, get_origin, get_type_hints

from hotremove.errors import UsageProblem
from hotremove.resources import source_folder

T = TypeVar("T")


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


@dataclass(frozen=True)
class Topology:
    """What hardware a guest has.

    Attributes:
        name: the file's stem; part of test ids.
        description: one line for a reader.
        cpus: number of virtual CPUs.
        nodes: NUMA nodes at boot, by number.
        movable_node: the node that takes the DIMMs.
        dimm_slots: how many DIMMs fit.
        max_mib: most memory the guest can have, boot memory and DIMMs together, in MiB.
        iommu: whether there is an intel-iommu with interrupt remapping and caching mode.
        endpoints: PCI functions nobody uses, for vfio-pci.
        edu: whether there is QEMU's edu device, which moves bytes by DMA, behind the IOMMU.
        virtio_mem_mib: size of a virtio-mem device on the movable node, unplugged at boot, in MiB.
        soft_reserved_mib: memory of the movable node that the kernel leaves to dax_hmem, in MiB;
            from the node's first byte on.
        cmdline: kernel parameters this topology needs.
        dimm_mib: size of a DIMM that is on the movable node from power-on, in MiB; 0 for none.
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
    cmdline: str = ""
    dimm_mib: int = 0
    counts_instructions: bool = False

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
    fields = {key: value for key, value in table.items() if key != "node"}
    try:
        nodes = tuple(_checked(Node, node) for node in _tables(table.get("node", ())))
        topology = _checked(Topology, {"name": name, "nodes": nodes, **fields})
    except TypeError as error:
        raise UsageProblem(f"topology {name}: {error}") from error
    if not 0 <= topology.movable_node < len(nodes):
        raise UsageProblem(
            f"topology {name}: movable_node {topology.movable_node} is none of its "
            f"{len(nodes)} nodes"
        )
    return topology


def _tables(given: Any) -> list[Mapping[str, Any]]:
    if not isinstance(given, list | tuple) or not all(isinstance(one, dict) for one in given):
        raise TypeError("`node` is a list of tables: [[node]]")
    return list(given)


def _checked(kind: type[T], fields: Mapping[str, Any]) -> T:
    """A `kind` of these fields, each of its type; numbers are not negative.

    Raises:
        TypeError: one is not, is unknown or missing; the text names it.
    """
    known = get_type_hints(kind)
    for name, value in fields.items():
        wanted = get_origin(known.get(name)) or known.get(name)
        # TOML's `true` would pass for the number 1.
        if wanted and type(value) is not wanted:
            told = f"{name} = {value!r} is {_words(type(value))}, not {_words(wanted)}"
            raise TypeError(told)
        if type(value) is int and value < 0:
            raise TypeError(f"{name} = {value} is negative")
    return kind(**fields)


def _words(kind: type) -> str:
    return {int: "a whole number", str: "a text", bool: "true or false"}.get(kind, kind.__name__)


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
    try:
        table = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageProblem(f"topology {path}: {error}") from error
    return parse_topology(path.stem, table)
