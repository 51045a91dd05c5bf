# SPDX-License-Identifier: Apache-2.0
"""What this machine can do for the farm, what is missing, and the command that mends it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hotremove.architecture.architecture import Architecture
from hotremove.architecture.known import DEFAULT, SUPPORTED, is_native
from hotremove.bootimage.compiler import require_packages
from hotremove.bootimage.initramfs import find_busybox
from hotremove.cache import Cache
from hotremove.errors import HotremoveError
from hotremove.guest.local import LocalGuests
from hotremove.guest.plan import find_emulator
from hotremove.hosttools import find_tool, packages
from hotremove.kernels.distro import mirrors
from hotremove.kernels.distro.buildroot import find_obstacle
from hotremove.units import GIB
from hotremove.virt.reaper import abandoned

# A kernel, its boot image and its saved guest take about 0.7 GiB; a build root 0.6 GiB.
_WANTED_BYTES = 4 * GIB


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `ok`, or what to do about it."""

    what: str
    ok: bool
    told: str


def examine(cache: Cache) -> Iterator[Finding]:
    """Look at everything a run needs, in the order in which it needs it."""
    yield _try("QEMU", find_emulator)
    yield _try("libvirt", lambda: _libvirt(cache))
    yield _try("busybox", lambda: str(find_busybox(DEFAULT, cache)))
    yield _try("compiler and static libraries", lambda: _compile(DEFAULT))
    yield _tool("cpio", "cpio", needed=True)
    yield _tool("depmod", "kmod", needed=True)
    yield _tool("mmdebstrap", "mmdebstrap", needed=False, use="building kernel modules")
    yield _build_roots()
    yield from _of_other_processors()
    yield _try("debian: kernels", _mirror)
    yield _try("cache", lambda: _cache(cache))
    yield _kvm()
    yield _left_over()


def _try(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, look())
    except HotremoveError as error:
        return Finding(what, False, str(error))


def _libvirt(cache: Cache) -> str:
    guests = LocalGuests(cache)
    try:
        return f"{guests.hypervisor.version()}, the driver inside this process"
    finally:
        guests.close()


def _compile(arch: Architecture) -> str:
    require_packages(arch)
    return "all there"


def _tool(name: str, package: str, needed: bool, use: str = "") -> Finding:
    found = find_tool(name)
    if found:
        return Finding(name, True, found)
    told = f"missing{f' (for {use})' if use else ''}: {packages.command(package)}"
    return Finding(name, not needed, told)


def _build_roots() -> Finding:
    """Rows that need modules are blocked where none can be entered; the others run."""
    obstacle = find_obstacle()
    return Finding("build roots", not obstacle, obstacle or "can be entered")


def _mirror() -> str:
    return f"from {mirrors.find().main}"


def _of_other_processors() -> Iterator[Finding]:
    """What guests of other processors than this machine's take, which not everybody wants."""
    for arch in SUPPORTED:
        if is_native(arch):
            continue
        try:
            find_emulator(arch)
            require_packages(arch)
            told = "all there"
        except HotremoveError as error:
            told = f"for such kernels alone: {error}"
        yield Finding(f"guests of {arch}", True, told)


def _cache(cache: Cache) -> str:
    free = shutil.disk_usage(cache.directory("locks")).free
    if free < _WANTED_BYTES:
        raise HotremoveError(
            f"only {free / GIB:.1f} GiB free at {cache.root}: "
            f"{_WANTED_BYTES // GIB} GiB are wanted; free some, or set HOTREMOVE_CACHE"
        )
    return f"{cache.root}, {free / GIB:.0f} GiB free"


def _kvm() -> Finding:
    device = Path("/dev/kvm")
    if not device.exists():
        told = "no /dev/kvm: guests run under TCG, which does everything, slower"
    elif not os.access(device, os.R_OK | os.W_OK):
        told = "not accessible: guests run under TCG; `adduser $USER kvm` gives access"
    else:
        told = "/dev/kvm is there; the first run proves it by booting a kernel"
    return Finding("KVM", True, told)


def _left_over() -> Finding:
    left = abandoned()
    if not left:
        return Finding("left over", True, "nothing")
    return Finding("left over", False, f"{len(left)} runs that died: `hotremove reap` clears them")
