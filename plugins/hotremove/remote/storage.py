# SPDX-License-Identifier: Apache-2.0
"""Files on a host through libvirt's storage API: no file system is shared with it.

Volumes are named by their content, and by the machine, account and cache they come from: what keeps
two workers from filling the same volume is a lock in the cache. A second, empty volume says that
the first is complete, since libvirt can neither rename a volume nor make one in a single step.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from lxml import etree
from lxml.builder import E
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

from hotremove.cache import Cache, digest
from hotremove.errors import HostProblem
from hotremove.remote.reclaim import machine
from hotremove.virt.hypervisor import Hypervisor

_WHOLE = ".whole"
_PIECE = 1 << 20
# What libvirt says of a pool that something is copied to or from (storage_driver.c).
_BUSY = "has asynchronous jobs running"
# Seconds; 100 MiB take one or two on a network of 1 Gbit/s.
_PATIENCE = 120.0
# Seconds that a step may take before the connection is given up; a slow line takes minutes.
_TRANSFER = 1800.0


class Store:
    """One host's storage pool."""

    def __init__(self, hypervisor: Hypervisor, pool: str, host: str, cache: Cache) -> None:
        """The pool called `pool`; it is started if it is not.

        Raises:
            HostProblem: there is none, or it has no directory.
        """
        self._hypervisor = hypervisor
        self._host = host
        self._cache = cache
        self._prefix = f"hotremove-{digest(machine(), str(cache.root))[:8]}-"
        with self._errors(f"storage pool {pool!r}"):
            self._pool = hypervisor.connection.storagePoolLookupByName(pool)
            if not self._pool.isActive():
                self._pool.create()

    @cached_property
    def folder(self) -> Path:
        """The pool's directory on the host."""
        with self._errors("reading the pool"):
            path = etree.fromstring(self._pool.XMLDesc(0).encode()).findtext("target/path")
        if not path:
            raise HostProblem(f"host {self._host}: the storage pool is no directory")
        return Path(path)

    def path_of(self, name: str) -> Path:
        """Where a volume lies on the host, present or not."""
        return self.folder / f"{self._prefix}{name}"

    def upload(self, file: Path) -> Path:
        """Where a file's content lies on the host, once it is there; of several workers one sends.

        Raises:
            HostProblem: the host has no room, or is gone.
        """
        name = digest(file)
        with self._cache.lock("uploads", f"{self._host}-{name}"):
            if not self.has(name):
                self.send(file, name)
        return self.path_of(name)

    def has(self, name: str) -> bool:
        """Whether a volume is there and complete."""
        return self._find(name) is not None and self._find(name + _WHOLE) is not None

    def send(self, file: Path, name: str) -> None:
        """Make a volume from a file; any host's QEMU may read it."""
        self.remove(name)
        size = file.stat().st_size
        with self._errors(f"uploading {file.name}"):
            volume = self._pool.createXML(volume_xml(self._prefix + name, size))
            stream = self._hypervisor.connection.newStream(0)
            volume.upload(stream, 0, size, 0)
            with file.open("rb") as source:
                stream.sendAll(lambda _stream, _count, _opaque: source.read(_PIECE), None)
            stream.finish()
        self.mark_whole(name)

    def receive(self, name: str, file: Path) -> None:
        """Copy a volume into a file here."""
        self._refresh()
        with self._errors(f"downloading {name}"):
            volume = self._pool.storageVolLookupByName(self._prefix + name)
            stream = self._hypervisor.connection.newStream(0)
            volume.download(stream, 0, 0, 0)
            with file.open("wb") as target:
                stream.recvAll(lambda _stream, data, _opaque: target.write(data), None)
            stream.finish()

    def mark_whole(self, name: str) -> None:
        """Note that a volume is complete."""
        with self._errors(f"noting that {name} is complete"):
            self._pool.createXML(volume_xml(self._prefix + name + _WHOLE, 0))

    def adopt(self, name: str) -> None:
        """Take a file that something on the host wrote into the pool for a complete volume."""
        self._refresh()
        self.mark_whole(name)

    def remove(self, name: str) -> None:
        """Remove a volume, its mark first."""
        for each in (name + _WHOLE, name):
            volume = self._find(each)
            if volume is not None:
                with self._errors(f"removing {each}"):
                    volume.delete(0)

    def names(self) -> list[str]:
        """Names of all volumes that this farm made."""
        self._refresh()
        with self._errors("listing the pool"):
            found = (str(volume.name()) for volume in self._pool.listAllVolumes())
            return sorted(
                name.removeprefix(self._prefix) for name in found if name.startswith(self._prefix)
            )

    @property
    def free_bytes(self) -> int:
        """Room left, in bytes."""
        with self._errors("reading the pool"):
            return int(self._pool.info()[3])

    def _refresh(self) -> None:
        """Have libvirt look at the pool's directory again.

        It refuses as long as somebody uploads or downloads, another worker for one.
        """
        patient = Retrying(
            retry=retry_if_exception(lambda error: _BUSY in str(error)),
            stop=stop_after_delay(_PATIENCE),
            wait=wait_random(0.1, 0.5),
            reraise=True,
        )
        for attempt in patient:
            with attempt, self._errors("reading the pool"):
                self._pool.refresh(0)

    def _find(self, name: str) -> Any | None:
        with suppress(HostProblem), self._errors("looking for a volume"):
            return self._pool.storageVolLookupByName(self._prefix + name)
        return None

    def _errors(self, what: str) -> Any:
        return self._hypervisor.limited(HostProblem, f"host {self._host}: {what}", _TRANSFER)


def volume_xml(name: str, size: int) -> str:
    """The XML of a volume of `size` bytes that anybody on the host may read."""
    volume = E.volume(
        E.name(name),
        E.capacity(str(size)),
        E.target(E.format(type="raw"), E.permissions(E.mode("0644"))),
    )
    return str(etree.tostring(volume, encoding="unicode"))
