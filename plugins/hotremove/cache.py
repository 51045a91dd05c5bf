# SPDX-License-Identifier: Apache-2.0
"""A content-addressed store of everything fetched or built, safe for many runs at once."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from hotremove.errors import HostProblem, UsageProblem
from hotremove.patience import ELSEWHERE, is_taken, wait_for_others
from hotremove.units import GIB

ENVIRONMENT_VARIABLE = "HOTREMOVE_CACHE"

_DAY = 86400.0
# A run may be about to open what it has asked for; so much later it has (seconds).
_JUST_USED = 3600.0
_KEY = re.compile(r"[0-9a-f]{32}")


def digest(*parts: str | bytes | Path) -> str:
    """Hex key (32 digits) over strings, bytes and the *contents* of files, in order."""
    sha = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else part
        data = data.encode() if isinstance(data, str) else data
        sha.update(len(data).to_bytes(8, "little"))
        sha.update(data)
    return sha.hexdigest()[:32]


@contextmanager
def host_errors(what: str) -> Iterator[None]:
    """Turn the host's disk errors into a `HostProblem` that names `what` was being done."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise no_space(what) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            message = f"not permitted while {what}: {error.filename}: {error.strerror}"
            raise HostProblem(message) from error
        raise


def no_space(what: str) -> HostProblem:
    """The error for a disk that was full while `what` was being done."""
    return HostProblem(f"no disk space left while {what}: free some, or set {ENVIRONMENT_VARIABLE}")


def make_writable(folder: Path, option: str) -> None:
    """Make a folder that the user named through `option`, unless it is there.

    Raises:
        UsageProblem: it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as trial:
            trial.write(bytes(4096))
    except OSError as error:
        raise UsageProblem(f"{option} {folder}: {error.strerror}") from error


@dataclass(frozen=True)
class Cache:
    """Entries are directories `root/kind/key`, complete or absent, never half written."""

    root: Path

    @classmethod
    def default(cls) -> Cache:
        """The folder named by HOTREMOVE_CACHE, else the platform's cache folder."""
        named = os.environ.get(ENVIRONMENT_VARIABLE)
        root = Path(named) if named else platformdirs.user_cache_path("hotremove")
        return cls(root.expanduser().absolute())

    def path(self, kind: str, key: str) -> Path:
        """Where the entry lies, present or not."""
        return self.root / kind / key

    def find(self, kind: str, key: str) -> Path | None:
        """The entry's directory when it is present and complete; noted as used now."""
        entry = self.path(kind, key)
        if not entry.is_dir():
            return None
        with contextlib.suppress(OSError):  # someone else's cache, or a read-only one
            os.utime(entry)
        return entry

    def get(self, kind: str, key: str, build: Callable[[Path], None]) -> Path:
        """The entry's directory, made by `build(empty_directory)` if it is not there yet.

        Runs that want the same entry wait for the first; a build that raises leaves nothing.

        Raises:
            HostProblem: the cache cannot be written or the disk is full.
        """
        entry = self.find(kind, key)
        if entry:
            return entry
        entry = self.path(kind, key)
        self.directory(kind)
        with self.lock(kind, key), host_errors(f"writing to the cache at {self.root}"):
            if not entry.is_dir():
                self._clear_abandoned(kind)
                with ELSEWHERE.running():
                    _build_aside(entry, build)
        return entry

    def directory(self, kind: str) -> Path:
        """A long-lived directory of the cache, for tools that keep their own state (apt).

        Raises:
            HostProblem: it cannot be made.
        """
        path = self.root / kind
        with self._usable():
            path.mkdir(parents=True, exist_ok=True)
        return path

    @contextmanager
    def lock(self, kind: str, key: str) -> Iterator[None]:
        """Hold the entry's lock; the kernel drops it when the holder dies.

        Raises:
            HostProblem: the lock's file cannot be made.
        """
        lock = FileLock(self.directory("locks") / f"{kind}-{key}.lock")
        with self._usable():
            _acquire(lock, kind)
        try:
            yield
        finally:
            lock.release()

    def note_use(self, path: Path) -> None:
        """Note that the entry is in use which a path leads into, if it is one of the cache's."""
        if path.is_relative_to(self.root) and len(parts := path.relative_to(self.root).parts) > 1:
            self.find(*parts[:2])

    def make_room(self, gib: float) -> int:
        """Remove what was used longest ago until `gib` GiB are left; bytes that were freed.

        What was used within the hour stays.
        """
        gone = (one for one in surplus(entries(self), time.time(), None, gib) if remove(self, one))
        return sum(entry.size for entry in gone)

    def discard(self, kind: str, key: str, is_bad: Callable[[Path], bool]) -> bool:
        """Remove an entry if it is bad; whether it was.

        `is_bad` looks at it under its lock: another run may have made it again meanwhile. Readers
        see it whole or not at all, and keep what they have opened.
        """
        entry = self.path(kind, key)
        with self.lock(kind, key):
            if not entry.is_dir() or not is_bad(entry):
                return False
            aside = move_aside(entry)
        shutil.rmtree(aside, ignore_errors=True)
        return True

    def _clear_abandoned(self, kind: str) -> None:
        """Remove what builds that were killed left of entries that nobody makes now."""
        for aside in (self.root / kind).glob(".*.*"):
            lock = FileLock(self.root / "locks" / f"{kind}-{aside.name.split('.')[1]}.lock")
            with contextlib.suppress(Timeout), lock.acquire(timeout=0):
                shutil.rmtree(aside, ignore_errors=True)

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """For steps that fail only where the cache as a whole is of no use."""
        try:
            with host_errors(f"writing to the cache at {self.root}"):
                yield
        except OSError as error:
            raise HostProblem(
                f"the cache at {self.root} cannot be used: {error.strerror}:"
                f" set {ENVIRONMENT_VARIABLE} to another folder"
            ) from error


def move_aside(entry: Path) -> Path:
    """Take an entry out of the cache at once, by a name that a later build clears away.

    Raises:
        FileNotFoundError: it is not there any more.
    """
    aside = entry.with_name(f".{entry.name}.aside-{os.getpid()}")
    entry.rename(aside)
    return aside


@dataclass(frozen=True)
class Entry:
    """One entry of the cache.

    Attributes:
        path: its directory.
        size: bytes on disk.
        used: when a run last asked for it, seconds since 1970.
    """

    path: Path
    size: int
    used: float


def entries(cache: Cache) -> list[Entry]:
    """All entries, those used longest ago first."""
    found = (path for path in cache.root.glob("*/*") if _KEY.fullmatch(path.name))
    return sorted(filter(None, map(_measured, found)), key=lambda entry: entry.used)


def surplus(
    found: list[Entry], now: float, days: float | None, gib: float | None
) -> Iterator[Entry]:
    """Entries unused for `days`, then more of the longest unused until `gib` are left."""
    left = sum(entry.size for entry in found)
    for entry in found:
        age = now - entry.used
        old = days is not None and age >= days * _DAY
        too_much = gib is not None and left > gib * GIB
        if (old or too_much) and age >= _JUST_USED:
            left -= entry.size
            yield entry


def remove(cache: Cache, entry: Entry) -> bool:
    """Remove an entry, whole at once for others; False when a run is busy with it."""
    kind, key = entry.path.parent.name, entry.path.name
    lock = FileLock(cache.directory("locks") / f"{kind}-{key}.lock")
    try:
        with lock.acquire(timeout=0):
            aside = move_aside(entry.path)
    except (Timeout, FileNotFoundError):
        return False
    shutil.rmtree(aside, ignore_errors=True)
    return True


def _measured(path: Path) -> Entry | None:
    """None for a file, and for an entry that is gone meanwhile."""
    try:
        used = path.stat().st_mtime
    except OSError:
        return None
    return Entry(path, _size(path), used) if path.is_dir() else None


def _size(directory: Path) -> int:
    """Bytes on disk; files that are unlinked meanwhile count nothing."""
    total = 0
    for folder, _folders, files in os.walk(directory):
        for name in files:
            try:
                total += (Path(folder) / name).lstat().st_blocks * 512
            except OSError:
                continue
    return total


def _acquire(lock: FileLock, kind: str) -> None:
    wait_for_others(
        lambda: is_taken(lock),
        f"waiting for another run, which is making one of the cache's {kind}",
        f"`fuser {lock.lock_file}` names its process, to look at or to end",
    )


def _build_aside(entry: Path, build: Callable[[Path], None]) -> None:
    """Build in a sibling directory and rename, so that no reader sees a partial entry."""
    for stale in entry.parent.glob(f".{entry.name}.*"):
        shutil.rmtree(stale, ignore_errors=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{entry.name}.", dir=entry.parent))
    try:
        aside.chmod(0o755)
        build(aside)
        aside.rename(entry)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
