# SPDX-License-Identifier: Apache-2.0
"""The machines of a farm: hosts.toml.

pool = "hotremove"            # for all hosts that name none
[[host]]
name = "anna"
uri = "qemu+tls://anna.example.org/system"
slots = 4                     # guests at once
labels = ["big"]              # what --hotremove-farm-label asks for
capabilities = ["kvm"]        # what the machine has; without "kvm" guests run under TCG
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from hotremove import shapes
from hotremove.errors import UsageProblem

DEFAULT_POOL = "hotremove"
CAPABILITIES = frozenset({"kvm"})
_SCHEMES = ("qemu", "qemu+ssh", "qemu+tls", "qemu+tcp", "qemu+unix", "qemu+libssh", "qemu+libssh2")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,31}")
_MOST_SLOTS = 1024


@dataclass(frozen=True)
class Host:
    """A machine with a libvirt daemon.

    Attributes:
        name: what people call it; part of the names of its guests.
        uri: of its libvirt daemon.
        slots: how many guests it runs at once.
        labels: what runs can ask for.
        capabilities: what the machine has: `kvm`.
        pool: libvirt storage pool, of directory type, for what guests start from; empty where
            its line leaves it to the file's.
    """

    name: str
    uri: str
    slots: int = 1
    labels: frozenset[str] = frozenset()
    capabilities: frozenset[str] = frozenset()
    pool: str = ""


@dataclass(frozen=True)
class _File:
    """What hosts.toml holds; ValueErrors say what makes no sense."""

    host: tuple[Host, ...] = ()
    pool: str = DEFAULT_POOL

    def __post_init__(self) -> None:
        if not self.host:
            raise ValueError("names no host: write [[host]] with name, uri and slots")
        if not self.pool:
            raise ValueError("pool is empty")
        for host in self.host:
            _check(host)
        for field in ("name", "uri"):
            values = [getattr(host, field) for host in self.host]
            twice = [value for value in values if values.count(value) > 1]
            if twice:
                raise ValueError(f"two hosts have the {field} {twice[0]!r}")


def read_hosts(path: Path) -> tuple[Host, ...]:
    """The hosts in a file.

    Raises:
        UsageProblem: it is missing or makes no sense; the text is one line.
    """
    file = shapes.read_toml(path, _File)
    return tuple(replace(host, pool=host.pool or file.pool) for host in file.host)


def labelled(hosts: Iterable[Host], wanted: Iterable[str]) -> tuple[Host, ...]:
    """The hosts that carry all `wanted` labels.

    Raises:
        UsageProblem: there is none.
    """
    labels = frozenset(wanted)
    fit = tuple(host for host in hosts if labels <= host.labels)
    if not fit:
        raise UsageProblem(f"no host carries the labels {', '.join(sorted(labels))}")
    return fit


def _check(host: Host) -> None:
    """What the types do not say.

    Raises:
        ValueError: a value is out of its range.
    """
    where = f"host {host.name!r}"
    parts = urlsplit(host.uri)
    if not _NAME.fullmatch(host.name):
        raise ValueError(f"{where}: a name is up to 32 letters, digits, dots and dashes")
    if parts.scheme not in _SCHEMES or parts.path not in ("/system", "/session"):
        raise ValueError(f"{where}: uri {host.uri!r}: write qemu+tls://HOST/system or the like")
    if not 0 < host.slots <= _MOST_SLOTS:
        raise ValueError(f"{where}: slots = {host.slots}: a number from 1 to {_MOST_SLOTS}")
    if "" in host.labels:
        raise ValueError(f"{where}: a label is empty")
    if unknown := ", ".join(sorted(host.capabilities - CAPABILITIES)):
        raise ValueError(f"{where}: unknown capability {unknown}: {', '.join(CAPABILITIES)}")
