# SPDX-License-Identifier: Apache-2.0
"""Slots of hosts, leased by workers: a file lock each, which the kernel drops when its holder dies.

What `hotremove hosts` shows of the holder lies beside the lock, and counts while the lock is held.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain, zip_longest
from pathlib import Path

from filelock import FileLock, Timeout

from hotremove import shapes
from hotremove.cache import Cache, digest
from hotremove.remote.hosts import Host


@dataclass(frozen=True)
class Slot:
    """Place for one guest on a host; `number` counts from 0."""

    host: Host
    number: int

    @property
    def guest_name(self) -> str:
        """The domain's name on the host. libvirt gives it to one guest at a time."""
        return f"hotremove-slot{self.number}"

    @property
    def file_name(self) -> str:
        """Name of the lock, without its suffix."""
        return f"{self.host.name}-{digest(self.host.uri)[:8]}-{self.number}"


@dataclass(frozen=True)
class Holder:
    """Who holds a slot.

    Attributes:
        worker: xdist's name of the process, or empty.
        pid: its process.
        since: seconds since 1970.
    """

    worker: str
    pid: int
    since: float


@dataclass(frozen=True)
class Lease:
    """A held slot."""

    slot: Slot
    worker: str
    _lock: FileLock

    @property
    def mark(self) -> str:
        """Names the lock: who holds it knows that a guest of the same mark is nobody's any more."""
        return digest(str(self._lock.lock_file))[:8]

    def release(self) -> None:
        """Give the slot back."""
        self._lock.release()


def slots_of(hosts: Iterable[Host]) -> Iterator[Slot]:
    """All slots, the first of each host before any second: workers spread over the hosts."""
    rows = ([Slot(host, number) for number in range(host.slots)] for host in hosts)
    return (slot for slot in chain.from_iterable(zip_longest(*rows)) if slot)


def try_lease(slots: Iterable[Slot], cache: Cache, worker: str) -> Lease | None:
    """A lease of the first free slot, or None."""
    for slot in slots:
        lock = FileLock(_lock_file(slot, cache))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        holder = Holder(worker, os.getpid(), time.time())
        _holder_file(slot, cache).write_text(json.dumps(asdict(holder)))
        return Lease(slot, worker, lock)
    return None


def holder_of(slot: Slot, cache: Cache) -> Holder | None:
    """Who holds a slot, or None when it is free."""
    lock = FileLock(_lock_file(slot, cache))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return _read_holder(_holder_file(slot, cache))
    lock.release()
    return None


def _read_holder(file: Path) -> Holder:
    try:
        return shapes.read_json(file, Holder)
    except (OSError, ValueError):
        return Holder("", 0, time.time())  # it has the lock, and is about to write its name


def _lock_file(slot: Slot, cache: Cache) -> Path:
    return cache.directory("leases") / f"{slot.file_name}.lock"


def _holder_file(slot: Slot, cache: Cache) -> Path:
    return cache.directory("leases") / f"{slot.file_name}.json"
