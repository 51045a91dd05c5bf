# SPDX-License-Identifier: Apache-2.0
"""An evidence bundle: one `.tar.zst` of a run's directory that shows any change to it.

Its last member, MANIFEST.sha256, has the SHA-256 sum of every other one, as sha256sum(1) writes
and checks them. After the compressed data comes a skippable zstd frame (RFC 8878, 3.1.2) with the
SHA-256 of everything before it, so that a changed byte shows even where decompression would not
notice. tar and zstd read bundles as any other archive.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import struct
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

import zstandard

from hotremove.errors import DataProblem
from hotremove.results.files import written_aside
from hotremove.results.record import FILE

SUFFIX = ".tar.zst"
MANIFEST = "MANIFEST.sha256"
_SKIPPABLE = 0x184D2A50
_TRAILER = struct.Struct("<II32s")
_CHUNK = 1 << 20
# More than this comes out of no run: a month of nights is some 100 MiB.
_MOST_BYTES = 8 << 30
_LINE = re.compile(r"([0-9a-f]{64})  ([^\n]+)")


def pack(directory: Path, target: Path) -> dict[str, str]:
    """Write the bundle of a run's directory; gives the SHA-256 of each file by name.

    Hidden files are left out, and so is whatever is not a regular file.

    Raises:
        DataProblem: there is no run in the directory.
        UsageProblem: the bundle cannot be written.
    """
    if not (directory / FILE).is_file():
        raise DataProblem(f"{directory}: no {FILE} here")
    with written_aside(target) as aside:
        sums = _write(directory, aside)
        trailer = _TRAILER.pack(_SKIPPABLE, 32, bytes.fromhex(_sum_file(aside)))
        with aside.open("ab") as stream:
            stream.write(trailer)
    return sums


def verify(bundle: Path) -> dict[str, str]:
    """Check a bundle through and through; gives the SHA-256 of each file by name.

    Raises:
        DataProblem: anything about it is not as it was packed.
    """
    return _read(bundle, None)


def unpack(bundle: Path, folder: Path) -> None:
    """Check a bundle and put its files into an empty folder.

    Raises:
        DataProblem: anything about it is not as it was packed.
    """
    _read(bundle, folder)


def _write(directory: Path, target: Path) -> dict[str, str]:
    sums: dict[str, str] = {}
    compressor = zstandard.ZstdCompressor(level=10, write_checksum=True)
    with (
        target.open("wb") as raw,
        compressor.stream_writer(raw, closefd=False) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in _files(directory):
            name = path.relative_to(directory).as_posix()
            data = path.read_bytes()
            sums[name] = hashlib.sha256(data).hexdigest()
            _add(archive, name, data, executable=os.access(path, os.X_OK))
        manifest = "".join(f"{checksum}  {name}\n" for name, checksum in sums.items())
        _add(archive, MANIFEST, manifest.encode())
    return sums


def _files(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(directory).parts)
        if path.is_file() and not path.is_symlink() and not hidden and path.name != MANIFEST:
            yield path


def _add(archive: tarfile.TarFile, name: str, data: bytes, executable: bool = False) -> None:
    """Add a file; nothing of it tells when, where and by whom it was made."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    member.mode = 0o755 if executable else 0o644
    archive.addfile(member, io.BytesIO(data))


def _read(bundle: Path, folder: Path | None) -> dict[str, str]:
    with _told_of(bundle):
        _check_trailer(bundle)
        sums, manifest = _members(bundle, folder)
        _compare(sums, manifest)
        return sums


@contextmanager
def _told_of(bundle: Path) -> Iterator[None]:
    """Whatever is wrong with a bundle is told in one line that names it."""
    try:
        yield
    except DataProblem as error:
        raise DataProblem(f"{bundle}: {error}") from error
    except OSError as error:
        raise DataProblem(f"{bundle}: {error.strerror or error}") from error
    except (tarfile.TarError, zstandard.ZstdError, EOFError, ValueError) as error:
        raise DataProblem(f"{bundle}: damaged: {' '.join(str(error).split())}") from error


def _check_trailer(bundle: Path) -> None:
    """Compare the sum over the whole file with the one at its end."""
    with bundle.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        if size < _TRAILER.size:
            raise DataProblem("truncated, or not a bundle")
        stream.seek(size - _TRAILER.size)
        magic, length, expected = _TRAILER.unpack(stream.read())
    if (magic, length) != (_SKIPPABLE, 32):
        raise DataProblem("truncated, or not a bundle: the sum at its end is missing")
    if _sum_file(bundle, size - _TRAILER.size) != expected.hex():
        raise DataProblem("damaged: it is not what was packed")


def _sum_file(path: Path, length: int | None = None) -> str:
    sha = hashlib.sha256()
    left = path.stat().st_size if length is None else length
    with path.open("rb") as stream:
        while left and (data := stream.read(min(_CHUNK, left))):
            sha.update(data)
            left -= len(data)
    return sha.hexdigest()


def _members(bundle: Path, folder: Path | None) -> tuple[dict[str, str], str]:
    """Sums of the files, and the manifest's text; the files go into `folder` if there is one."""
    sums: dict[str, str] = {}
    manifest = None
    unpacked = 0
    with bundle.open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw) as stream:
        archive = tarfile.open(fileobj=stream, mode="r|")  # noqa: SIM115 - ends with the stream
        for member in archive:
            unpacked += member.size
            name = _safe(member, unpacked, known=sums)
            data = archive.extractfile(member)
            if data is None or manifest is not None:
                raise DataProblem(f"{name}: a file beside the manifest's")
            if name == MANIFEST:
                manifest = data.read().decode()
            else:
                sums[name] = _take(data, folder / name if folder else None, member.mode)
    if manifest is None:
        raise DataProblem(f"truncated, or not a bundle: no {MANIFEST}")
    return sums, manifest


def _safe(member: tarfile.TarInfo, unpacked: int, known: dict[str, str]) -> str:
    """The name of a member that may be read.

    Raises:
        DataProblem: it leads elsewhere, is no regular file, is there twice, or fills the disk.
    """
    name = member.name
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or "\\" in name or {".", ".."} & {*name.split("/")}:
        raise DataProblem(f"the member {name!r} leads out of the bundle")
    if not member.isreg():
        raise DataProblem(f"the member {name!r} is not a file")
    if name in known:
        raise DataProblem(f"the member {name!r} is there twice")
    if unpacked > _MOST_BYTES:
        raise DataProblem(f"more than {_MOST_BYTES >> 30} GiB")
    return name


def _take(data: IO[bytes], target: Path | None, mode: int) -> str:
    """Sum a member up, and keep it if it is wanted."""
    sha = hashlib.sha256()
    if target:
        target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") if target else io.BytesIO() as out:
        while chunk := data.read(_CHUNK):
            sha.update(chunk)
            if target:
                out.write(chunk)
    if target and mode & 0o100:
        target.chmod(0o755)
    return sha.hexdigest()


def _compare(sums: dict[str, str], manifest: str) -> None:
    lines = [_LINE.fullmatch(line) for line in manifest.splitlines()]
    told = {line[2]: line[1] for line in lines if line}
    if len(told) != len(lines):
        raise DataProblem(f"{MANIFEST} is not a list of sums")
    for problem, names in (
        ("missing", told.keys() - sums.keys()),
        ("not in the manifest", sums.keys() - told.keys()),
        ("changed", {name for name in told.keys() & sums.keys() if told[name] != sums[name]}),
    ):
        if names:
            raise DataProblem(f"{problem}: {', '.join(sorted(names)[:3])}")
