# SPDX-License-Identifier: Apache-2.0
"""Unpacking the files a guest needs from a tar stream, whoever made it.

Only regular files are written, each opened under a name this project chose, so no link, device or
member name in the archive decides where a byte lands.
"""

from __future__ import annotations

import errno
import io
import lzma
import shutil
import stat
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hotremove.errors import UsageProblem
from hotremove.kernels.formats import layout

Place = Callable[[str], str | None]

_DAMAGE = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, UnicodeError)
_NAME_ERRORS = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EINVAL)
_CHUNK_BYTES = 1 << 20


@contextmanager
def damage_is_reported(name: str) -> Iterator[None]:
    """Turn an unreadable archive into a `UsageProblem` that names it."""
    try:
        yield
    except (*_DAMAGE, OSError) as error:
        # bz2 says what is wrong with its data in an OSError that no system call made.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(":")
        message = f"{name} is damaged or cut short ({reason}): get a fresh copy"
        raise UsageProblem(message) from error


def unpack(archive: tarfile.TarFile, root: Path, name: str, place: Place = layout.place) -> int:
    """Write the members that `place` wants below `root`; the number of files written.

    Raises:
        UsageProblem: a member's name is absolute or climbs with `..`, or the archive is damaged.
    """
    written = 0
    with damage_is_reported(name):
        for member in archive:
            if layout.is_unsafe(member.name):
                raise UsageProblem(f"{name} holds the unsafe path {member.name!r}: refused")
            target = place(member.name)
            if target is not None and member.isreg():
                _write(archive, member, root / target, name)
                written += 1
    return written


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path, name: str) -> None:
    """Write one regular member; build tools in headers keep their executable bit."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            shutil.copyfileobj(archive.extractfile(member) or io.BytesIO(), file, _CHUNK_BYTES)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno not in _NAME_ERRORS:
            raise
        raise UsageProblem(f"{name} holds {member.name!r}, which cannot be a file here") from error
    if member.mode & stat.S_IXUSR:
        target.chmod(0o755)
