# SPDX-License-Identifier: Apache-2.0
"""Ends the guest that a dead worker has left in a slot of another machine.

libvirt ends a booted guest with the connection of its owner, but not a restored one. So a guest's
title names its owner; the watchdog of a dead worker calls this, and so does who leases the slot
next.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hotremove import shapes
from hotremove.cache import digest
from hotremove.errors import GuestLost, HotremoveError
from hotremove.remote.remote_xml import title_of
from hotremove.virt.hypervisor import Hypervisor
from hotremove.virt.reaper import REMOTE, start_time

_MACHINE = Path("/etc/machine-id")


@dataclass(frozen=True)
class Facts:
    """What is to be ended: a libvirt URI, a domain's name, and the title that tells it is that."""

    uri: str
    name: str
    title: str


def machine() -> str:
    """This machine and account, told from others without naming them."""
    known = _MACHINE.read_text() if _MACHINE.is_file() else os.uname().nodename
    return digest(known, str(os.getuid()))[:12]


def title(lock: str, worker: str, pid: int) -> str:
    """The title of a guest that belongs to a worker of this machine; `lock` names its slot's."""
    return f"hotremove {machine()} {lock} {worker or 'alone'} {pid} {start_time(pid)}"


def is_left(of_guest: str, lock: str) -> bool:
    """Whether a guest was left in a slot, of which the asker holds the lock that `lock` names.

    Its owner held the same lock before. With another one, by another cache or another name of the
    host, it is left only if its owner is dead.
    """
    whose, _, rest = of_guest.partition(f"hotremove {machine()} ")
    if whose or not rest:
        return False
    its_lock, _worker, pid, started = rest.split()
    return its_lock == lock or start_time(int(pid)) != started


def clear(hypervisor: Hypervisor, name: str, owned: Callable[[str], bool]) -> bool:
    """End the domain `name` if `owned(its title)`; False when it is there and another's."""
    for domain in hypervisor.domains():
        if domain.name() != name:
            continue
        end = partial(_end_if, domain, owned, hypervisor)
        return hypervisor.call(GuestLost, "ending what a dead run left", end, name)
    return True


def _end_if(domain: Any, owned: Callable[[str], bool], hypervisor: Hypervisor) -> bool:
    # It may end meanwhile: a dead worker's watchdog and its successor come at the same time.
    with hypervisor.unless_gone():
        if not owned(title_of(domain.XMLDesc(0))):
            return False
        domain.destroy()
    return True


def announce(directory: Path, uri: str, name: str, of_guest: str) -> None:
    """Tell the watchdog of a run directory what to end if this process is killed."""
    facts = Facts(uri, name, of_guest)
    (directory / REMOTE).write_text(json.dumps(asdict(facts)))


def main(facts: str) -> None:
    """End the guest that these facts tell of, if it is still the same."""
    told = shapes.from_json(facts, Facts)
    hypervisor = Hypervisor(told.uri, Path(os.devnull))
    clear(hypervisor, told.name, lambda found: found == told.title)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except HotremoveError as error:  # the next lease of the slot ends it
        sys.exit(str(error))
