# SPDX-License-Identifier: Apache-2.0
"""The header of an RPM package: what it is, for which machine, and the digest of its payload.

The format is described in rpm's docs/manual/format_v4.md: a lead of 96 bytes, a signature header
padded to 8 bytes, the header, the payload.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hotremove.errors import UsageProblem

_LEAD_MAGIC = b"\xed\xab\xee\xdb"
_LEAD_BYTES = 96
_HEADER_MAGIC = b"\x8e\xad\xe8\x01"
_PREAMBLE = struct.Struct(">4s4xII")
_INDEX = struct.Struct(">IIII")
_HEADER_LIMIT = 256 << 20

_NAME, _VERSION, _RELEASE, _ARCH, _PAYLOAD_SHA256 = 1000, 1001, 1002, 1022, 5092
# In the signature header: the digest of the whole header, since rpm 4.14.
_HEADER_SHA256 = 273
_STRING_TYPES = (6, 8, 9)


@dataclass(frozen=True)
class RpmHeader:
    """The tags that matter here; `payload_sha256` is empty in packages made before rpm 4.14."""

    name: str
    version: str
    release: str
    arch: str
    payload_sha256: str


def read(path: Path) -> RpmHeader:
    """The header of an intact package: the payload's digest is compared with the header's.

    Raises:
        UsageProblem: it is no RPM package, or it is damaged.
    """
    with path.open("rb") as file:
        head = file.read(_LEAD_BYTES)
        if len(head) < _LEAD_BYTES or not head.startswith(_LEAD_MAGIC):
            raise UsageProblem(f"{path.name} is not an RPM package")
        try:
            signature = _read_section(file.read)
            file.read(-len(signature) % 8)
            section = _read_section(file.read)
            _check(signature, section)
            header = parse(section)
        except (struct.error, ValueError) as error:
            raise UsageProblem(f"{path.name} is damaged or cut short: {error}") from error
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if header.payload_sha256 and digest != header.payload_sha256:
        raise UsageProblem(f"{path.name} is damaged or cut short: its payload's digest is wrong")
    return header


def parse(section: bytes) -> RpmHeader:
    """The tags of a header section, index and data.

    Raises:
        struct.error, ValueError: the section is not a whole header.
    """
    tags = _tags(section)
    wanted = (_NAME, _VERSION, _RELEASE, _ARCH, _PAYLOAD_SHA256)
    return RpmHeader(*(tags.get(tag, "") for tag in wanted))


def _check(signature: bytes, section: bytes) -> None:
    """Hold a header against the digest that the signature header has of it, if it has one.

    Raises:
        struct.error, ValueError: it is another one.
    """
    digest = _tags(signature).get(_HEADER_SHA256)
    if digest and digest != hashlib.sha256(section).hexdigest():
        raise ValueError("its header's digest is wrong")


def _tags(section: bytes) -> dict[int, str]:
    """The tags that hold text."""
    _, count, size = _PREAMBLE.unpack_from(section)
    data = section[_PREAMBLE.size + count * _INDEX.size :]
    if len(data) != size:
        raise ValueError("its header is incomplete")
    tags: dict[int, str] = {}
    for number in range(count):
        tag, kind, at, _ = _INDEX.unpack_from(section, _PREAMBLE.size + number * _INDEX.size)
        if kind in _STRING_TYPES:
            tags[tag] = data[at : data.index(b"\0", at)].decode(errors="replace")
    return tags


def _read_section(read_bytes: Callable[[int], bytes]) -> bytes:
    preamble = read_bytes(_PREAMBLE.size)
    magic, count, size = _PREAMBLE.unpack(preamble)
    if magic != _HEADER_MAGIC:
        raise ValueError("its header is not where it should be")
    length = count * _INDEX.size + size
    if length > _HEADER_LIMIT:
        raise ValueError("its header is impossibly large")
    return preamble + read_bytes(length)
