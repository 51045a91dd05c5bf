# SPDX-License-Identifier: Apache-2.0
"""ACPI's table of nodes, and the archive that carries it."""

import struct
import subprocess

import pytest

from hotremove.architecture.arm64 import ARM64
from hotremove.bootimage.early import with_early_file
from hotremove.bootimage.initramfs import BootImage
from hotremove.cache import Cache
from hotremove.errors import UsageProblem
from hotremove.virt.firmware import srat
from hotremove.virt.topology import load_topology, parse_topology

MIB = 1 << 20


def entries(table):
    """Pairs of a structure's kind and its bytes, behind the header and twelve bytes more."""
    at = 48
    while at < len(table):
        kind, length = table[at], table[at + 1]
        yield kind, table[at : at + length]
        at += length
    assert at == len(table)


def ranges(table):
    """Node, start, size and flags of each memory range."""
    for kind, entry in entries(table):
        if kind == 1:
            _, _, node, _, start, size, _, flags, _ = struct.unpack("<BBIHQQIIQ", entry)
            yield node, start, size, flags


def test_the_table_is_sound_and_newer_than_qemus():
    table = srat(load_topology("movable-boot"))
    signature, length, revision, _, maker, model, oem_revision = struct.unpack_from(
        "<4sIBB6s8sI", table
    )
    assert (signature, length, revision) == (b"SRAT", len(table), 3)
    assert (maker, model, oem_revision) == (b"BOCHS ", b"BXPC    ", 2)
    assert sum(table) % 256 == 0


def test_each_nodes_memory_is_there_and_only_one_is_hotpluggable():
    assert list(ranges(srat(load_topology("movable-boot")))) == [
        (0, 0, 640 << 10, 1),
        (0, MIB, 511 * MIB, 1),
        (1, 512 * MIB, 512 * MIB, 3),
        (2, 1024 * MIB, 128 * MIB, 1),
    ]


def test_processors_belong_to_their_nodes():
    table = {"description": "", "cpus": 4, "movable_node": 1, "dimm_slots": 1, "max_mib": 1024}
    nodes = [{"mib": 256, "cpus": "0-1,3"}, {"mib": 256, "cpus": "2"}]
    made = srat(parse_topology("t", {**table, "node": nodes}))
    processors = [(entry[3], entry[2]) for kind, entry in entries(made) if kind == 0]
    assert processors == [(0, 0), (1, 0), (3, 0), (2, 1)]


def test_too_much_memory_for_one_range_is_refused():
    table = {"description": "", "cpus": 1, "movable_node": 0, "dimm_slots": 1, "max_mib": 4096}
    with pytest.raises(UsageProblem, match=r"topology t: .* at most 2048 MiB"):
        srat(parse_topology("t", {**table, "node": [{"mib": 2049, "cpus": "0"}]}))


def test_the_early_archive_stands_before_the_image(tmp_path):
    initramfs = tmp_path / "initramfs"
    initramfs.write_bytes(b"the image itself")
    image = BootImage(None, initramfs, "key", (), ())
    made = with_early_file(image, "kernel/firmware/t.aml", b"a table", Cache(tmp_path / "cache"))
    whole = made.read_bytes()
    assert whole.endswith(b"the image itself")
    listed = subprocess.run(
        ["cpio", "-it", "--quiet"], input=whole, capture_output=True, check=True
    )
    assert b"kernel/firmware/t.aml" in listed.stdout.split()
    assert len(list(made.parent.iterdir())) == 1


def test_on_arm64_memory_begins_higher_and_processors_are_the_gics():
    made = srat(load_topology("movable-boot"), ARM64.machine)
    assert list(ranges(made)) == [
        (0, 1024 * MIB, 512 * MIB, 1),
        (1, 1536 * MIB, 512 * MIB, 3),
        (2, 2048 * MIB, 128 * MIB, 1),
    ]
    gics = [struct.unpack("<BBIIII", entry)[2:5] for kind, entry in entries(made) if kind == 3]
    assert gics == [(0, 0, 1), (0, 1, 1)]
