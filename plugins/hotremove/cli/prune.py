# SPDX-License-Identifier: Apache-2.0
"""`hotremove prune`: remove from the cache what has not been used for long, or what is too much."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from hotremove.cache import Cache, move_aside
from hotremove.errors import UsageProblem
from hotremove.units import GIB

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

DEFAULT_DAYS = 30.0
_DAY = 86400.0
# A run may be about to open what it has asked for; so much later it has (seconds).
_JUST_USED = 3600.0
_KEY = re.compile(r"[0-9a-f]{32}")


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


def register(subparsers: Subparsers) -> None:
    """Add the command to a parser."""
    parser = subparsers.add_parser("prune", help="remove from the cache what is not used any more")
    parser.add_argument(
        "--older-than",
        type=float,
        metavar="DAYS",
        help=f"what was not used for so long (default without --max-gib: {DEFAULT_DAYS:g})",
    )
    parser.add_argument(
        "--max-gib", type=float, metavar="N", help="what was used longest ago, until N GiB are left"
    )
    parser.set_defaults(func=run)


def run(options: argparse.Namespace) -> int:
    """Print what is removed.

    Raises:
        UsageProblem: a limit is negative.
    """
    days, gib = options.older_than, options.max_gib
    if any(limit is not None and limit < 0 for limit in (days, gib)):
        raise UsageProblem("prune: a limit is not negative")
    if days is None and gib is None:
        days = DEFAULT_DAYS
    cache = Cache.default()
    freed = 0
    for entry in surplus(entries(cache), time.time(), days, gib):
        if remove(cache, entry):
            freed += entry.size
            print(f"{entry.path}: {entry.size / GIB:.2f} GiB")
    print(f"{freed / GIB:.2f} GiB freed")
    return 0


def entries(cache: Cache) -> list[Entry]:
    """All entries, those used longest ago first."""
    found = (path for path in cache.root.glob("*/*") if _KEY.fullmatch(path.name))
    measured = [Entry(path, _size(path), path.stat().st_mtime) for path in found if path.is_dir()]
    return sorted(measured, key=lambda entry: entry.used)


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
