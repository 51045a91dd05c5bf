# SPDX-License-Identifier: Apache-2.0
"""ACPI's table of nodes (SRAT), made for a topology, that the kernel uses instead of QEMU's.

QEMU calls no boot memory hotpluggable. A kernel with CONFIG_ACPI_TABLE_UPGRADE takes tables out of
the head of its initramfs (Documentation/admin-guide/acpi/initrd_table_override.rst); what it then
believes of its memory is what real firmware would have told it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from hotremove.architecture.known import DEFAULT
from hotremove.architecture.machine import Machine
from hotremove.errors import UsageProblem
from hotremove.units import MIB
from hotremove.virt.topology import Topology

PATH = "kernel/firmware/acpi/srat.aml"
# QEMU's identifiers (hw/acpi/aml-build.c); the kernel replaces a table by one of the same maker
# with a higher revision.
_MAKER, _MODEL, _REVISION = b"BOCHS ", b"BXPC    ", 2
CREATOR = "HRMV"
"""What tells the table from QEMU's."""
_HEADER = struct.Struct("<4sIBB6s8sI4sI")
# A processor by its local APIC, and by its place in the GIC (ACPI 6.5, 5.2.16.1 and 5.2.16.4).
_APIC = struct.Struct("<BBBBIB3sI")
_GICC = struct.Struct("<BBIIII")
_MEMORY = struct.Struct("<BBIHQQIIQ")
_ENABLED, _HOTPLUGGABLE = 1, 2
# The legacy hole, and where QEMU's q35 begins to put memory behind the PCI hole instead.
_LOW_END, _HIGH_START, _LIMIT = 640 << 10, 1 << 20, 2048 * MIB


def srat(topology: Topology, machine: Machine = DEFAULT.machine) -> bytes:
    """The table of a machine, each node's memory marked as the topology says.

    Raises:
        UsageProblem: the machine has too much boot memory for one range.
    """
    if topology.boot_mib * MIB > _LIMIT:
        raise UsageProblem(
            f"topology {topology.name}: hotpluggable nodes need at most {_LIMIT // MIB} MiB at boot"
        )
    body = struct.pack("<IQ", 1, 0) + b"".join(_entries(topology, machine))
    length = _HEADER.size + len(body)
    table = _header(length, 0) + body
    return _header(length, -sum(table) & 0xFF) + body


def _header(length: int, checksum: int) -> bytes:
    ids = (_MAKER, _MODEL, _REVISION, CREATOR.encode(), 1)
    return _HEADER.pack(b"SRAT", length, 3, checksum, *ids)


def _entries(topology: Topology, machine: Machine) -> Iterator[bytes]:
    place = _by_apic if machine.has_apics else _by_gic
    for number, node in enumerate(topology.nodes):
        yield from (place(number, cpu) for cpu in _cpu_list(node.cpus))
    if machine.memory_start == 0:
        yield _range(0, 0, _LOW_END, _ENABLED)
    yield from _memory(topology, machine.memory_start)


def _by_apic(node: int, cpu: int) -> bytes:
    return _APIC.pack(0, _APIC.size, node, cpu, _ENABLED, 0, b"", 0)


def _by_gic(node: int, cpu: int) -> bytes:
    return _GICC.pack(3, _GICC.size, node, cpu, _ENABLED, 0)


def _memory(topology: Topology, start: int) -> Iterator[bytes]:
    for number, node in enumerate(topology.nodes):
        flags = _ENABLED | (_HOTPLUGGABLE if node.hotpluggable else 0)
        end = start + node.mib * MIB
        first = max(start, _HIGH_START)
        yield _range(number, first, end - first, flags)
        start = end


def _range(node: int, start: int, size: int, flags: int) -> bytes:
    return _MEMORY.pack(1, _MEMORY.size, node, 0, start, size, 0, flags, 0)


def _cpu_list(text: str) -> Iterator[int]:
    """The processors of `0-1,4`; with one thread and core a socket, their APIC ids."""
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)
