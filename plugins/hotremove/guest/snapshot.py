# SPDX-License-Identifier: Apache-2.0
"""A saved guest: an entry of the cache, from which fresh guests are restored.

The memory of its nodes, but for the one that takes DIMMs, is in a file each, which a restored guest
maps: it reads from the file what it looks at, and has copies of the pages that it writes to.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from hotremove import shapes
from hotremove.cache import host_errors
from hotremove.errors import GuestLost
from hotremove.guest.machine import Guest
from hotremove.units import MIB
from hotremove.virt.domain import Channels, incoming, move_channels, with_node_files
from hotremove.virt.topology import Topology

KIND = "snapshots"
# Where the saved XML says that the channels are, until a guest has its own.
_NOWHERE = Channels(Path("/saved"))
_RECORD = "snapshot.json"
_STATE = "state"
_NOTHING = bytes(MIB)


@dataclass(frozen=True)
class _Record:
    """What snapshot.json says.

    Attributes:
        xml: the domain, without channels of its own.
        nodes: whose memory has a file.
        crc32: checksums, by names of files.
    """

    xml: str
    nodes: tuple[int, ...]
    crc32: dict[str, int]


@dataclass(frozen=True)
class Snapshot:
    """A guest saved just after its boot.

    Attributes:
        directory: the cache's entry, with the guest's memory and the logs of its boot.
    """

    directory: Path

    @property
    def state(self) -> Path:
        """What QEMU wrote: all but the memory that has a file."""
        return self.directory / _STATE

    @property
    def memory(self) -> dict[int, Path]:
        """Files with the memory of nodes, by their numbers."""
        return {node: _node_file(self.directory, node) for node in self._record.nodes}

    def openable_memory(self, folder: Path) -> dict[int, Path]:
        """The same, or copies below `folder` of files that may not be written to.

        QEMU opens all files of memory for writing, also those that it writes nothing to.

        Raises:
            HostProblem: there is no room for a copy.
        """
        return {node: _openable(file, folder) for node, file in self.memory.items()}

    def xml(self, name: str, channels: Channels) -> str:
        """The XML of a domain that is restored from it."""
        own = move_channels(self._record.xml, _NOWHERE, channels)
        return incoming(with_node_files(own, self._record.nodes, "private"), name)

    @property
    def identity(self) -> tuple[int, int]:
        """Tells it from another that was made in its place; (0, 0) where there is none."""
        try:
            found = self.state.stat()
        except OSError:
            return (0, 0)
        return found.st_ino, found.st_mtime_ns

    @property
    def is_damaged(self) -> bool:
        """Whether it is proven to be of no use, by its checksums."""
        try:
            self.verify()
        except GuestLost:
            return True
        return False

    def verify(self) -> None:
        """Compare the files with their checksums: QEMU would start a guest with damaged memory.

        Raises:
            GuestLost: one is damaged, or not there any more.
        """
        for name, expected in self._record.crc32.items():
            try:
                found = checksum(self.directory / name)
            except OSError as error:
                raise GuestLost(f"the saved guest is gone: {error}") from error
            if found != expected:
                raise GuestLost(f"the saved guest in {self.directory} is damaged: {name}")

    @cached_property
    def _record(self) -> _Record:
        try:
            return shapes.read_json(self.directory / _RECORD, _Record)
        except (OSError, ValueError) as error:
            raise GuestLost(f"the saved guest in {self.directory} is damaged: {error}") from error


def node_files(topology: Topology, target: Path) -> dict[int, Path]:
    """Where a guest that is to be saved in `target` has the memory of its nodes, by their numbers.

    Nowhere that of the node which takes DIMMs: their memory would be mapped from files as well, a
    page at a time, where the host otherwise gives 2 MiB at once.
    """
    nodes = range(len(topology.nodes))
    return {node: _node_file(target, node) for node in nodes if node != topology.movable_node}


def make_node_files(topology: Topology, target: Path) -> dict[int, Path]:
    """Make them anew, empty.

    Raises:
        HostProblem: they cannot be made.
    """
    files = node_files(topology, target)
    with host_errors(f"saving a guest in {target}"):
        for node, file in files.items():
            file.write_bytes(b"")
            os.truncate(file, topology.nodes[node].mib * MIB)
    return files


def save(guest: Guest, target: Path, memory: Mapping[int, Path]) -> None:
    """Save a booted guest, which stops it, into the directory `target`.

    `memory` are the files that it was started with.

    Raises:
        HostProblem: the disk is full or not writable.
    """
    guest.dmesg()
    guest.control.close()
    with host_errors(f"saving a guest in {target}"):
        xml, is_apart = guest.hypervisor.save_state(guest.domain, target / _STATE, memory)
        if not is_apart:
            remove_files(memory)
        nodes = tuple(memory) if is_apart else ()
        names = (_STATE, *(_node_file(target, node).name for node in nodes))
        crc32 = {name: checksum(target / name) for name in names}
        record = _Record(move_channels(xml, guest.channels, _NOWHERE), nodes, crc32)
        (target / _RECORD).write_text(json.dumps(asdict(record)))
        shutil.copy(guest.console.path, target / "boot-console.log")
        shutil.copy(guest.evidence.path, target / "boot-evidence.log")


def remove_files(memory: Mapping[int, Path]) -> None:
    """Remove files of memory that nothing will be saved in."""
    for file in memory.values():
        file.unlink(missing_ok=True)


def checksum(file: Path) -> int:
    """CRC-32 of a file: against decay and truncation, and ten times as fast as a strong hash.

    Of its length, and of each MiB that is not empty and its place: holes are not read, and zeros
    count as holes, as which some file system may hold them.
    """
    with file.open("rb") as stream:
        crc = zlib.crc32(b"%d" % os.fstat(stream.fileno()).st_size)
        for start in _starts(stream):
            stream.seek(start)
            piece = stream.read(MIB)
            if piece != _NOTHING[: len(piece)]:
                crc = zlib.crc32(piece, zlib.crc32(b"%d" % start, crc))
    return crc


def _starts(stream: BinaryIO) -> Iterator[int]:
    """Offsets of the MiBs in which a file has data."""
    start = 0
    while True:
        try:
            found = os.lseek(stream.fileno(), start, os.SEEK_DATA)
        except OSError:  # ENXIO: there is none from here on
            return
        start = found // MIB * MIB
        yield start
        start += MIB


def _openable(file: Path, folder: Path) -> Path:
    if os.access(file, os.W_OK) or not file.exists():
        return file
    found = file.stat()
    copy = folder / f"memory-{found.st_ino}-{found.st_mtime_ns}" / file.name
    if not copy.exists():
        with host_errors(f"copying a saved guest to {folder}"):
            _copy_data(file, copy)
    return copy


def _copy_data(file: Path, copy: Path) -> None:
    """Copy a file, holes as holes; it is there once it is whole."""
    copy.parent.mkdir(exist_ok=True)
    aside = copy.with_suffix(".part")
    with file.open("rb") as source, aside.open("wb") as target:
        target.truncate(os.fstat(source.fileno()).st_size)
        for start in _starts(source):
            source.seek(start)
            target.seek(start)
            target.write(source.read(MIB))
    aside.rename(copy)


def _node_file(folder: Path, node: int) -> Path:
    return folder / f"memory-{node}"
