# SPDX-License-Identifier: Apache-2.0
"""A saved guest: an entry of the cache, from which fresh guests are restored."""

from __future__ import annotations

import json
import shutil
import zlib
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from hotremove import shapes
from hotremove.cache import host_errors
from hotremove.errors import GuestLost
from hotremove.guest.machine import Guest
from hotremove.virt.domain import Channels, move_channels

if TYPE_CHECKING:
    from hotremove.virt.hypervisor import Hypervisor

KIND = "snapshots"
# Where the saved XML says that the channels are, until a guest has its own.
_NOWHERE = Channels(Path("/saved"))
_RECORD = "snapshot.json"
_PIECE = 1 << 20


@dataclass(frozen=True)
class _Record:
    """What snapshot.json says: the domain's name and XML, and the image's checksum."""

    name: str
    crc32: int
    xml: str


@dataclass(frozen=True)
class Snapshot:
    """A guest saved just after its boot.

    Attributes:
        directory: the cache's entry, with the guest's memory and the logs of its boot.
    """

    directory: Path

    @property
    def memory(self) -> Path:
        """The image that libvirt wrote."""
        return self.directory / "memory"

    @cached_property
    def name(self) -> str:
        """The domain's name, which libvirt does not let a restored guest change."""
        return self._record.name

    def xml(self, channels: Channels) -> str:
        """The domain's XML with its channels where a new guest wants them."""
        return move_channels(self._record.xml, _NOWHERE, channels)

    @property
    def identity(self) -> tuple[int, int]:
        """Tells it from another that was made in its place; (0, 0) where there is none."""
        try:
            found = self.memory.stat()
        except OSError:
            return (0, 0)
        return found.st_ino, found.st_mtime_ns

    def is_damaged(self, hypervisor: Hypervisor) -> bool:
        """Whether it is proven to be of no use, by its checksum or by libvirt's reading of it."""
        try:
            self.verify()
            hypervisor.saved_xml(self.memory)
        except GuestLost:
            return True
        return False

    def verify(self) -> None:
        """Compare the image with its checksum: QEMU would start a guest with damaged memory.

        Raises:
            GuestLost: it is damaged, or not there any more.
        """
        try:
            found = checksum(self.memory)
        except OSError as error:
            raise GuestLost(f"the saved guest is gone: {error}") from error
        if found != self._record.crc32:
            raise GuestLost(f"the saved guest in {self.directory} is damaged")

    @cached_property
    def _record(self) -> _Record:
        try:
            return shapes.read_json(self.directory / _RECORD, _Record)
        except (OSError, ValueError) as error:
            raise GuestLost(f"the saved guest in {self.directory} is damaged: {error}") from error


def save(guest: Guest, target: Path) -> None:
    """Save a booted guest, which ends it, into the directory `target`.

    Raises:
        HostProblem: the disk is full or not writable.
    """
    guest.dmesg()
    guest.control.close()
    image = target / "memory"
    with host_errors(f"saving a guest in {target}"):
        xml = guest.hypervisor.save(guest.domain, image)
        record = _Record(guest.name, checksum(image), move_channels(xml, guest.channels, _NOWHERE))
        (target / _RECORD).write_text(json.dumps(asdict(record)))
        shutil.copy(guest.console.path, target / "boot-console.log")
        shutil.copy(guest.evidence.path, target / "boot-evidence.log")


def checksum(file: Path) -> int:
    """CRC-32 of a file: against decay and truncation, and ten times as fast as a strong hash."""
    crc = 0
    with file.open("rb") as stream:
        while piece := stream.read(_PIECE):
            crc = zlib.crc32(piece, crc)
    return crc
