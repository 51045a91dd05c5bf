# SPDX-License-Identifier: Apache-2.0
"""The settings of one run, as a value: nothing here knows where they were read.

It is imported before it is known whether a run is about guests: it imports next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hotremove.guest.deadlines import BOOT_DEADLINE

if TYPE_CHECKING:
    from hotremove.remote.hosts import Host
    from hotremove.virt.hostdev import HostDevice

ACCELERATORS = ("auto", "kvm", "tcg")
"""What may be asked for; `auto` takes KVM where a probe shows that it works."""
MEMORIES = ("dimm", "virtio-mem", "dimm-by-module")
"""How removable memory may come; `memory.kinds` has what each is."""


@dataclass(frozen=True)
class Options:
    """The settings of one run.

    Attributes:
        kernels: kernel specs, in the order given.
        topology: name or path of the default topology.
        accelerator: `auto`, `kvm` or `tcg`.
        memory: how removable memory comes, each of MEMORIES at most once; empty: as it does by
            default for each kernel.
        uri: libvirt URI, or None for the embedded driver.
        artifacts: where evidence goes, or None.
        deadline: seconds a hot-remove is given.
        fresh_boot: boot each guest instead of restoring a saved one.
        boot_deadline: seconds a guest is given to boot.
        keep_guest: let the guests of failed tests live on.
        gdb: port on loopback for QEMU's gdb stub, or None.
        allow_files: lists of kernel reports that may come.
        expect: `strict`, or `lineage` for known bugs to be told apart from new ones.
        has: changes of the lineage that the kernels have, whatever their version says.
        lacks: likewise, that they lack.
        without: capabilities that somebody asked to do without.
        prove: run scenarios again with each fault that they say they notice.
        faults: run with these faults; to prove, with no others.
        one_variant: run one variant of each scenario with each fault.
        seed: what decides in scenarios with chance.
        rounds: how often a scenario tries what depends on chance.
        hosts: machines that guests run on; none means this one.
        devices: PCI devices of this machine that guests have.
        rebind: drivers of this machine may be made to let go of them.
        cache_gib: how large the cache may get (GiB); None for any size.
    """

    kernels: tuple[str, ...]
    topology: str
    accelerator: str
    uri: str | None
    artifacts: Path | None
    deadline: float
    fresh_boot: bool
    boot_deadline: float = BOOT_DEADLINE
    keep_guest: bool = False
    gdb: int | None = None
    allow_files: tuple[Path, ...] = ()
    expect: str = "strict"
    has: frozenset[str] = frozenset()
    lacks: frozenset[str] = frozenset()
    without: tuple[str, ...] = ()
    prove: bool = False
    faults: tuple[str, ...] = ()
    one_variant: bool = False
    seed: int = 0
    rounds: int = 1
    hosts: tuple[Host, ...] = ()
    devices: tuple[HostDevice, ...] = ()
    rebind: bool = False
    cache_gib: float | None = None
    memory: tuple[str, ...] = ()
