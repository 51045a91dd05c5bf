# SPDX-License-Identifier: Apache-2.0
"""The firmware that guests of some architectures start with: this machine's, or a newer one."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from hotremove import processes
from hotremove.architecture.machine import Firmware, Machine
from hotremove.cache import Cache, digest
from hotremove.errors import HostProblem
from hotremove.hosttools import find_tool
from hotremove.kernels.distro.apt import PrivateApt, Unreachable
from hotremove.kernels.distro.debversion import sort_key
from hotremove.kernels.distro.suites import with_lists
from hotremove.kernels.sources import packages
from hotremove.progress import waiting

_KIND = "firmware"


def find_firmware(machine: Machine, cache: Cache) -> Path | None:
    """The firmware for a machine; None where QEMU's own will do.

    One that is installed is taken if it is new enough, else a suite's, with its signature checked.

    Raises:
        HostProblem: it is not installed and cannot be fetched.
    """
    wanted = machine.firmware
    if wanted is None:
        return None
    installed = Path("/", wanted.file)
    if installed.is_file() and _is_new(_installed_version(wanted.package), wanted):
        return installed
    return cache.get(_KIND, digest(repr(wanted)), partial(_fetch, wanted, cache)) / installed.name


def _fetch(wanted: Firmware, cache: Cache, target: Path) -> None:
    try:
        with cache.lock("apt", wanted.suite):
            with_lists(wanted.suite, cache, lambda apt: _take(apt, wanted, target))
    except HostProblem as error:
        told = f"{error}; or install {wanted.package} {wanted.since} or later"
        raise HostProblem(told) from error


def _take(apt: PrivateApt, wanted: Firmware, target: Path) -> None:
    stanzas = [one for one in apt.show([wanted.package]) if _is_new(one["Version"], wanted)]
    newest = max(stanzas, key=lambda one: sort_key(one["Version"]), default=None)
    archive = apt.locate(wanted.package, newest["Version"]) if newest else None
    if archive is None:
        raise Unreachable(f"{wanted.suite} has no {wanted.package} of {wanted.since} or later")
    (file,) = apt.fetch([archive], f"firmware {archive.name}")
    with waiting(f"unpacking {archive.name}"):
        packages.unpack([file], target, lambda name: _place(name, wanted))
    file.unlink(missing_ok=True)
    if not any(target.iterdir()):
        raise HostProblem(f"the package {archive.name} has no {wanted.file}")


def _place(name: str, wanted: Firmware) -> str | None:
    return Path(name).name if str(Path(name)) == wanted.file else None


def _is_new(version: str, wanted: Firmware) -> bool:
    return bool(version) and sort_key(version) >= sort_key(wanted.since)


def _installed_version(package: str) -> str:
    """Empty where it is not installed, or dpkg is not there to tell."""
    query = find_tool("dpkg-query")
    if query is None:
        return ""
    words = [query, "--show", "--showformat=${Version}", package]
    done = processes.run(words, f"asking for the version of {package}")
    return "" if done.returncode else done.stdout
