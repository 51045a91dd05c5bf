# SPDX-License-Identifier: Apache-2.0
"""`hotremove hosts`: the machines of a farm, and who holds their slots."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hotremove.cache import Cache
from hotremove.errors import HostProblem, HotremoveError
from hotremove.remote.hosts import Host, read_hosts
from hotremove.remote.lease import Slot, holder_of, slots_of, try_lease
from hotremove.remote.reach import require_reachable
from hotremove.remote.storage import Store
from hotremove.units import GIB
from hotremove.virt.hypervisor import Hypervisor, dotted

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def register(subparsers: Subparsers) -> None:
    """Add the command to a parser."""
    hosts = subparsers.add_parser("hosts", help="the machines of a farm, and who holds their slots")
    hosts.add_argument("file", type=Path, help="hosts.toml, as --hotremove-farm-hosts takes it")
    hosts.add_argument(
        "--clear",
        action="store_true",
        help="remove what the farm has uploaded to hosts of which no slot is held",
    )
    hosts.set_defaults(func=run_hosts)


def run_hosts(options: argparse.Namespace) -> int:
    """Print each host and its slots; 1 when one does not answer."""
    cache = Cache.default()
    good = True
    for host in read_hosts(options.file):
        try:
            told = _clear(host, cache) if options.clear else describe(host, cache)
        except HotremoveError as error:
            told, good = str(error), False
        print(f"{host.name}  {host.uri}  {told.removeprefix(f'host {host.name}: ')}")
        for line in slot_lines(host, cache):
            print(f"  {line}")
    return 0 if good else 1


def describe(host: Host, cache: Cache) -> str:
    """What a host is, in a line.

    Raises:
        HostProblem: it does not answer, or lacks something.
    """
    hypervisor = _open(host)
    try:
        store = Store(hypervisor, host.pool, host.name, cache)
        cpus, mib = hypervisor.size()
        guests = sum(domain.isActive() for domain in hypervisor.domains())
        names = " ".join(sorted(host.labels | host.capabilities))
        return (
            f"{dotted(hypervisor.version())}, {cpus} CPUs, {mib >> 10} GiB, "
            f"{store.free_bytes // GIB} GiB free in {store.folder}, {guests} guests"
            f"{f', {names}' if names else ''}"
        )
    finally:
        hypervisor.close()


def slot_lines(host: Host, cache: Cache) -> Iterator[str]:
    """A line for each slot: free, or who holds it since when."""
    for slot in slots_of([host]):
        holder = holder_of(slot, cache)
        if holder is None:
            yield f"slot {slot.number}: free"
        else:
            minutes = (time.time() - holder.since) / 60
            who = f"{holder.worker or 'a run without workers'}, pid {holder.pid}"
            yield f"slot {slot.number}: held by {who}, for {minutes:.0f} min"


def _clear(host: Host, cache: Cache) -> str:
    """Remove the farm's volumes from a host.

    Raises:
        HostProblem: a slot is held, or the host does not answer.
    """
    leases = [(slot, try_lease([slot], cache, "clear")) for slot in slots_of([host])]
    try:
        held = [slot for slot, lease in leases if lease is None]
        if held:
            raise HostProblem(f"not cleared: {_are_held(held)}")
        hypervisor = _open(host)
        try:
            store = Store(hypervisor, host.pool, host.name, cache)
            names = store.names()
            for name in names:
                store.remove(name)
        finally:
            hypervisor.close()
        return f"{len(names)} files removed"
    finally:
        for _, lease in leases:
            if lease:
                lease.release()


def _are_held(slots: list[Slot]) -> str:
    return f"slot {', '.join(str(slot.number) for slot in slots)} held"


def _open(host: Host) -> Hypervisor:
    require_reachable(host)
    return Hypervisor(host.uri, Path(os.devnull))
