# SPDX-License-Identifier: Apache-2.0
"""Which accelerator guests run under: proven by booting a kernel, not guessed from /dev/kvm.

There are machines on which /dev/kvm exists and QEMU aborts, and others on which a guest runs its
firmware and then spins without a byte of output; only a kernel that comes to its end tells.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from hotremove import shapes
from hotremove.architecture.architecture import Architecture
from hotremove.architecture.known import DEFAULT, is_native
from hotremove.architecture.machine import Machine
from hotremove.cache import Cache, digest
from hotremove.errors import HostProblem, UsageProblem
from hotremove.progress import waiting

# A kernel without a root file system comes to its end in about 1 s under KVM.
PROBE_DEADLINE = 6.0
# How long a proven answer is believed, in seconds: what a host runs beside it changes.
_AGE = 3600.0
_DEVICE = Path("/dev/kvm")
# The kernel ends by panic, for want of a root file system, and panic=-1 reboots: QEMU exits.
_CMDLINE = "panic=-1"
_END = "Kernel panic - not syncing: VFS: Unable to mount root fs"


@dataclass(frozen=True)
class Accelerator:
    """What guests run under.

    Attributes:
        kind: `kvm` or `tcg`.
        reason: why, for the header.
        proven: whether the next run would find the same; a time that ran out proves nothing.
    """

    kind: str
    reason: str
    proven: bool = True


def tell(chosen: Mapping[Architecture, Accelerator], spell: Callable[[str], str] = str) -> str:
    """What guests run under, and why; for which processor, where there are several.

    `spell` is how the accelerators are written.

    Example:
        >>> tell({DEFAULT: Accelerator("tcg", "as asked")})
        'tcg, because as asked'
    """
    several = len(chosen) > 1
    return "; ".join(
        f"{spell(one.kind)}{f' for {arch}' if several else ''}, because {one.reason}"
        for arch, one in chosen.items()
    )


def choose(
    wanted: str, emulator: str, kernel: Path, cache: Cache, arch: Architecture = DEFAULT
) -> Accelerator:
    """The accelerator for `--hotremove-accel WANTED`; what a probe found is remembered.

    `kernel` is one of `arch` to try.

    Raises:
        UsageProblem: KVM is asked for and does not work here.
        HostProblem: QEMU does not start.
    """
    if wanted == "tcg":
        return Accelerator("tcg", "as asked")
    found = _remembered(emulator, kernel, cache, arch) if is_native(arch) else _foreign(arch)
    if wanted == "kvm" and found.kind != "kvm":
        raise UsageProblem(f"--hotremove-accel kvm: {found.reason}; use tcg or auto")
    return found


def _foreign(arch: Architecture) -> Accelerator:
    return Accelerator("tcg", f"KVM runs no {arch} guests on {platform.machine()}")


def _remembered(emulator: str, kernel: Path, cache: Cache, arch: Architecture) -> Accelerator:
    key = _machine_key(emulator)
    answers = cache.directory("accelerators")
    known = answers / f"{key}.json"
    with cache.lock("accelerators", key):  # of several workers one tries
        for file in (known, _of_this_run(known)):
            if found := _read(file):
                return found
        found = probe(emulator, kernel, arch)
        _write(known if found.proven else _of_this_run(known), found)
    return found


def _of_this_run(file: Path) -> Path:
    """Where the workers of one run keep what proves nothing; for a single process, nowhere."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    return file.with_suffix(f".{run}.json") if run else Path(os.devnull)


def _read(file: Path) -> Accelerator | None:
    """An answer that is not too old."""
    try:
        if time.time() - file.stat().st_mtime > _AGE:
            return None
        return shapes.read_json(file, Accelerator)
    except (OSError, ValueError):
        return None


def _write(file: Path, found: Accelerator) -> None:
    if file == Path(os.devnull):
        return
    aside = file.with_suffix(f".{os.getpid()}")
    aside.write_text(json.dumps(asdict(found)))
    aside.rename(file)


def _machine_key(emulator: str) -> str:
    """Changes with the QEMU binary, the host's kernel, its boot and what may be done with KVM."""
    binary = Path(emulator).stat()
    device = f"{_DEVICE.exists()} {os.access(_DEVICE, os.R_OK | os.W_OK)}"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()
    return digest(f"{binary.st_mtime_ns} {binary.st_size}", platform.release(), boot, device)


def probe(emulator: str, kernel: Path, arch: Architecture = DEFAULT) -> Accelerator:
    """Whether KVM can be used and brings `kernel` to its end; if not, why."""
    if not _DEVICE.exists():
        return Accelerator("tcg", "there is no /dev/kvm")
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return Accelerator("tcg", "/dev/kvm is not accessible to this user")
    with waiting("trying KVM"):
        try:
            complaint = try_boot(emulator, "kvm", kernel, PROBE_DEADLINE, arch)
        except TimeoutError as error:
            return Accelerator("tcg", f"KVM was tried in vain: {error}", proven=False)
    if complaint is None:
        return Accelerator("kvm", "it booted a kernel")
    return Accelerator("tcg", f"KVM fails here: {complaint}")


def try_boot(
    emulator: str, accelerator: str, kernel: Path, deadline: float, arch: Architecture = DEFAULT
) -> str | None:
    """Boot `kernel` without a root file system; what went wrong, or None.

    Raises:
        TimeoutError: it neither booted nor failed in `deadline` seconds.
        HostProblem: QEMU does not start at all.
    """
    command = _command(emulator, accelerator, kernel, arch.machine)
    try:
        done = subprocess.run(command, capture_output=True, timeout=deadline)
    except subprocess.TimeoutExpired as stopped:
        said = len((stopped.stdout or b"").splitlines())
        told = f"a kernel did not boot in {deadline:g} s ({said} lines on its console)"
        raise TimeoutError(told) from stopped
    except OSError as error:
        raise HostProblem(f"QEMU does not start: {error}") from error
    if _END in done.stdout.decode(errors="replace"):
        return None
    complaints = done.stderr.decode(errors="replace").strip().splitlines()
    named = complaints or [f"QEMU exited with status {done.returncode}"]
    return named[0].removeprefix(f"{Path(emulator).name}: ")


def _command(emulator: str, accelerator: str, kernel: Path, machine: Machine) -> list[str]:
    cpu = "host" if accelerator == "kvm" else machine.processor
    return [
        *(emulator, "-accel", accelerator, "-cpu", cpu, "-machine", machine.options, "-m", "256"),
        *("-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"),
        *("-kernel", str(kernel), "-append", f"console={machine.console} {_CMDLINE}"),
    ]
