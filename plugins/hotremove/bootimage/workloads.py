# SPDX-License-Identifier: Apache-2.0
"""The programs that run in a guest, compiled statically by the host's compiler."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from hotremove import processes
from hotremove.cache import Cache, digest
from hotremove.errors import HostProblem
from hotremove.hosttools import packages
from hotremove.progress import waiting
from hotremove.resources import source_files, source_folder

# Folders below guests/ and the programs that their Makefiles make.
PROGRAMS = {
    "agent": ("agent", "evidence"),
    "workloads": ("holder", "io_loop", "ioctl_fuzz", "on_node", "rxe_link", "stir", "write_once"),
}

# Static archives the programs are linked with, and the Debian packages that hold them.
_ARCHIVES = {
    "libc.a": "libc6-dev",
    "libibverbs.a": "libibverbs-dev",
    "librxe-rdmav34.a": "libibverbs-dev",
    "libnl-3.a": "libnl-3-dev",
    "libnl-route-3.a": "libnl-route-3-dev",
}
# Seconds; 10 on an idle machine.
_COMPILING = 900.0
_TOOLS = {"gcc": "gcc", "make": "make", "strip": "binutils"}


def build_workloads(cache: Cache) -> tuple[Path, ...]:
    """The programs, compiled if the cache does not hold them for these sources and compiler.

    Raises:
        HostProblem: a compiler or a static library is missing; names the packages.
    """
    require_packages()
    folders = {name: source_folder(f"guests/{name}") for name in PROGRAMS}
    headers = sorted(source_folder("kmods").rglob("*.h"))
    sources = [path for folder in folders.values() for path in source_files(folder)] + headers
    wanted = [program for programs in PROGRAMS.values() for program in programs]
    key = digest(_compiler(), *wanted, *(part for path in sources for part in (path.name, path)))

    def build(target: Path) -> None:
        with waiting("compiling the guest's programs"):
            for name, folder in folders.items():
                _make(folder, PROGRAMS[name], target)

    built = cache.get("workloads", key, build)
    return tuple(built / program for program in wanted)


def _compiler() -> str:
    return processes.run(["gcc", "-v"], "asking the compiler for its version").stderr


def require_packages() -> None:
    """Make sure that the compiler and the static libraries are installed.

    Raises:
        HostProblem: names the packages that are missing.
    """
    missing = {package for tool, package in _TOOLS.items() if not shutil.which(tool)}
    if "gcc" not in missing:
        missing |= {package for file, package in _ARCHIVES.items() if not _has_archive(file)}
    if missing:
        how = packages.advice(*sorted(missing))
        raise HostProblem(f"the guest's programs cannot be compiled: {how}")


def _has_archive(file: str) -> bool:
    """The compiler prints a full path for an archive it would link, the bare name otherwise."""
    asked = ["gcc", f"-print-file-name={file}"]
    return "/" in processes.run(asked, f"looking for {file}").stdout


def _make(folder: Path, programs: Sequence[str], target: Path) -> None:
    """Compile in a copy, so that a checkout or an installed package stays as it is."""
    work = target / "work"
    shutil.copytree(folder, work, ignore=shutil.ignore_patterns("*.o", *programs))
    command = ["make", "-C", str(work), f"KMODS={source_folder('kmods')}", *programs]
    done = processes.run(command, "compiling the guest's programs", _COMPILING)
    if done.returncode:
        reason = _first_error(done.stderr)
        raise HostProblem(f"the guest's programs cannot be compiled ({folder.name}): {reason}")
    for program in programs:
        strip = ["strip", "-o", str(target / program), str(work / program)]
        done = processes.run(strip, f"stripping {program}")
        if done.returncode:
            raise HostProblem(f"{program} cannot be stripped: {done.stderr.strip()}")
    shutil.rmtree(work)


def _first_error(text: str) -> str:
    lines = text.strip().splitlines() or ["make failed without a word"]
    return next((line for line in lines if "error" in line or "cannot find" in line), lines[-1])
