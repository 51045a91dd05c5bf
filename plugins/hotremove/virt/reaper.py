# SPDX-License-Identifier: Apache-2.0
"""Ends the guests of a run whose owner is gone, and removes its directory.

Runs in two ways: as a watchdog beside each run (`python reaper.py DIRECTORY`, which waits for the
end of its standard input, so that it acts even when pytest is killed with SIGKILL), and from
`hotremove reap`, for what a power cut or a killed watchdog left. Standard library only, and no
import from the package: the watchdog must start in milliseconds, whatever the checkout is like.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PREFIX = "hotremove-"
OWNER = "owner"
KEPT = "kept"
DEVICES = "devices"  # of the host, that guests of the run may have
REMOTE = "remote"  # what the run has on another machine
_ROUNDS = 50  # a tenth of a second apart


def runs_folder() -> Path:
    """Where run directories lie: short, because a unix socket's path has at most 107 bytes."""
    folder = Path(tempfile.gettempdir())
    return folder if len(str(folder)) <= 20 else Path("/tmp")  # noqa: S108


def start_time(pid: int) -> str | None:
    """When a process started, in clock ticks since boot (field 22 of /proc/PID/stat), or None.

    Together with the pid it names one process for ever; a pid alone is used again.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (OSError, UnicodeDecodeError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def sign(directory: Path, pid: int) -> None:
    """Name `pid` as the owner of a run directory."""
    (directory / OWNER).write_text(f"{pid} {start_time(pid)}\n")


def owner_of(directory: Path) -> tuple[int, str] | None:
    """Pid and start time of the process that made a run directory, or None."""
    try:
        pid, started = (directory / OWNER).read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid), started


def is_left(directory: Path) -> bool:
    """Whether the process that made the run directory is gone.

    What nobody has signed is none of ours, whatever its name, unless it is empty: an owner writes
    its name within moments, or was killed before it could.
    """
    owner = owner_of(directory)
    if owner:
        return start_time(owner[0]) != owner[1]
    with contextlib.suppress(OSError):
        is_old = time.time() - directory.stat().st_mtime >= 60
        return is_old and not any(directory.iterdir())
    return False


def emulators_of(directory: Path, having: str = "") -> set[int]:
    """Pids of the QEMU processes that belong to a run directory, by their arguments.

    Only those that have the text `having` in these.
    """
    mark, part = os.fsencode(directory) + b"/", having.encode()
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            arguments = (entry / "cmdline").read_bytes()
            if mark in arguments and part in arguments and b"qemu" in arguments.split(b"\0")[0]:
                found.add(int(entry.name))
    return found


def kill(pid: int) -> None:
    """End a process at once, if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def keep(directory: Path, pid: int) -> None:
    """Let a guest's QEMU process outlive the run."""
    with (directory / KEPT).open("a") as file:
        file.write(f"{pid} {start_time(pid)}\n")


def kept(directory: Path) -> set[int]:
    """Pids of the kept guests that still live."""
    try:
        lines = (directory / KEPT).read_text().splitlines()
    except OSError:
        return set()
    named = (line.split() for line in lines)
    return {int(pid) for pid, started in named if start_time(int(pid)) == started}


@contextlib.contextmanager
def temporary(what: str) -> Iterator[Path]:
    """An empty folder for as long as the block lasts; till then `hotremove reap` spares it."""
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{what}-") as made:
        sign(Path(made), os.getpid())
        folder = Path(made, what)
        folder.mkdir()
        yield folder


def reap(directory: Path, spare_kept: bool = False) -> set[int]:
    """Kill what runs in `directory` and remove it; gives the pids of the guests killed.

    A guest that was being started is seen in a later round. With `spare_kept`, kept guests live on
    and the directory stays with them.
    """
    killed: set[int] = set()
    spared: set[int] = set()
    devices = _lent_devices(directory)
    for _ in range(_ROUNDS):
        spared = kept(directory) if spare_kept else set()
        running = emulators_of(directory) - spared
        for pid in running:
            kill(pid)
        killed |= running
        if not spared:
            shutil.rmtree(directory, ignore_errors=True)
        if not running and (spared or not directory.exists()):
            break
        time.sleep(0.1)
    if not spared:  # a kept guest has the devices still
        _give_back(devices)
    return killed


def ownerless() -> list[Path]:
    """Run directories of this user whose owner is gone."""
    mine = (path for path in runs_folder().glob(PREFIX + "*") if path.is_dir())
    return [path for path in mine if path.stat().st_uid == os.getuid() and is_left(path)]


def abandoned() -> list[Path]:
    """Those of them in which no guest is kept."""
    return [path for path in ownerless() if not kept(path)]


def _lent_devices(directory: Path) -> list[tuple[Path, str, str]]:
    """Where the PCI bus is in sysfs, a device's address, and the host's driver that had it."""
    try:
        told = json.loads((directory / DEVICES).read_text())
    except (OSError, ValueError):
        return []
    bus = Path(told["sysfs"]) / "bus/pci"
    return [(bus, address, driver) for address, driver in told["devices"]]


def _give_back(devices: list[tuple[Path, str, str]]) -> None:
    """Let the host's drivers have the devices that guests had under vfio-pci."""
    for bus, address, driver in devices:
        device = bus / "devices" / address
        with contextlib.suppress(OSError):
            if (device / "driver").resolve().name == "vfio-pci":
                (device / "driver_override").write_text("\n")
                (device / "driver/unbind").write_text(address)
                if driver:
                    (bus / "drivers" / driver / "bind").write_text(address)


def remote_guest(directory: Path) -> str:
    """What the run has on another machine, as its owner wrote it; empty when it has nothing."""
    try:
        return (directory / REMOTE).read_text()
    except OSError:
        return ""


def reclaim(guest: str) -> None:
    """End a dead run's guest on another machine; takes libvirt, so a process of its own."""
    if guest:
        package = Path(__file__).resolve().parents[2]
        paths = os.pathsep.join((str(package), os.environ.get("PYTHONPATH", "")))
        command = [sys.executable, "-m", "hotremove.remote.reclaim", guest]
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, timeout=60)


def guard(directory: Path) -> None:
    """Wait until the owner is done here, then reap, and once more when its process has ended.

    libvirt's threads in the owner may still write to a directory that was removed under them.
    Signals meant for the owner's terminal are ignored.
    """
    owned = owner_of(directory)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    while sys.stdin.buffer.read(1):
        pass
    elsewhere = remote_guest(directory)
    reap(directory, spare_kept=True)
    reclaim(elsewhere)
    while owned and start_time(owned[0]) == owned[1]:
        time.sleep(0.1)
    reap(directory, spare_kept=True)


if __name__ == "__main__":
    guard(Path(sys.argv[1]))
