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
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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
        pool: libvirt storage pool, of directory type, for what guests start from.
    """

    name: str
    uri: str
    slots: int = 1
    labels: frozenset[str] = frozenset()
    capabilities: frozenset[str] = frozenset()
    pool: str = DEFAULT_POOL


def read_hosts(path: Path) -> tuple[Host, ...]:
    """The hosts in a file.

    Raises:
        UsageProblem: it is missing or makes no sense; the text is one line.
    """
    try:
        return parse_hosts(tomllib.loads(path.read_text()))
    except OSError as error:
        raise UsageProblem(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, UsageProblem) as error:
        raise UsageProblem(f"{path}: {' '.join(str(error).split())}") from error


def parse_hosts(document: Mapping[str, Any]) -> tuple[Host, ...]:
    """The hosts in the contents of a file.

    Raises:
        UsageProblem: a key is unknown, missing or of another kind, or two hosts share a name.
    """
    _refuse_others("the file", document, {"host", "pool"})
    rows = document.get("host")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise UsageProblem("names no host: write [[host]] with name, uri and slots")
    pool = _text("the file", document, "pool", DEFAULT_POOL)
    hosts = tuple(_host(number, row, pool) for number, row in enumerate(rows, 1))
    for field in ("name", "uri"):
        values = [getattr(host, field) for host in hosts]
        twice = [value for value in values if values.count(value) > 1]
        if twice:
            raise UsageProblem(f"two hosts have the {field} {twice[0]!r}")
    return hosts


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


def _host(number: int, row: Mapping[str, Any], pool: str) -> Host:
    where = f"host {number}"
    _refuse_others(where, row, set(Host.__dataclass_fields__))
    name = _text(where, row, "name")
    where = f"host {name!r}"
    if not _NAME.fullmatch(name):
        raise UsageProblem(f"{where}: a name is up to 32 letters, digits, dots and dashes")
    capabilities = _words(where, row, "capabilities")
    if not capabilities <= CAPABILITIES:
        unknown = ", ".join(sorted(capabilities - CAPABILITIES))
        raise UsageProblem(f"{where}: unknown capability {unknown}: {', '.join(CAPABILITIES)}")
    return Host(
        name=name,
        uri=_uri(where, row),
        slots=_slots(where, row),
        labels=_words(where, row, "labels"),
        capabilities=capabilities,
        pool=_text(where, row, "pool", pool),
    )


def _uri(where: str, row: Mapping[str, Any]) -> str:
    uri = _text(where, row, "uri")
    parts = urlsplit(uri)
    if parts.scheme not in _SCHEMES or parts.path not in ("/system", "/session"):
        raise UsageProblem(f"{where}: uri {uri!r}: write qemu+tls://HOST/system or the like")
    return uri


def _slots(where: str, row: Mapping[str, Any]) -> int:
    slots = row.get("slots", 1)
    if not isinstance(slots, int) or isinstance(slots, bool) or not 0 < slots <= _MOST_SLOTS:
        raise UsageProblem(f"{where}: slots = {slots!r}: a number from 1 to {_MOST_SLOTS}")
    return slots


def _text(where: str, row: Mapping[str, Any], key: str, default: str | None = None) -> str:
    value = row.get(key, default)
    if not isinstance(value, str) or not value:
        raise UsageProblem(f"{where}: {key} {'is missing' if value is None else 'is no text'}")
    return value


def _words(where: str, row: Mapping[str, Any], key: str) -> frozenset[str]:
    value = row.get(key, [])
    if not isinstance(value, list) or not all(isinstance(word, str) and word for word in value):
        raise UsageProblem(f"{where}: {key} is no list of texts")
    return frozenset(value)


def _refuse_others(where: str, row: Mapping[str, Any], known: set[str]) -> None:
    unknown = ", ".join(sorted(row.keys() - known))
    if unknown:
        raise UsageProblem(f"{where}: unknown key {unknown}: {', '.join(sorted(known))}")
