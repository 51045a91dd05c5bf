# SPDX-License-Identifier: Apache-2.0
"""The programs that run in a guest, compiled statically on the host."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from hotremove import processes
from hotremove.architecture.architecture import Architecture
from hotremove.architecture.known import DEFAULT
from hotremove.bootimage.compiler import Compiler, find_compiler
from hotremove.cache import Cache, digest
from hotremove.errors import HostProblem
from hotremove.progress import waiting
from hotremove.resources import source_files, source_folder

# Folders below guests/ and the programs that their Makefiles make.
PROGRAMS = {
    "agent": ("agent", "evidence"),
    "workloads": ("holder", "io_loop", "ioctl_fuzz", "on_node", "rdma_link", "stir", "write_once"),
}
# Seconds; 10 on an idle machine.
_COMPILING = 900.0


def build_workloads(cache: Cache, arch: Architecture = DEFAULT) -> tuple[Path, ...]:
    """The programs, compiled if the cache does not hold them for these sources and compiler.

    Raises:
        HostProblem: a compiler or a static library is missing; names the packages.
    """
    compiler = find_compiler(arch, cache)
    folders = {name: source_folder(f"guests/{name}") for name in PROGRAMS}
    headers = sorted(source_folder("kmods").rglob("*.h"))
    sources = [path for folder in folders.values() for path in source_files(folder)] + headers
    wanted = [program for programs in PROGRAMS.values() for program in programs]
    key = digest(compiler.key, *wanted, *(part for path in sources for part in (path.name, path)))

    def build(target: Path) -> None:
        with waiting("compiling the guest's programs"):
            for name, folder in folders.items():
                _make(compiler, folder, PROGRAMS[name], target)

    built = cache.get("workloads", key, build)
    return tuple(built / program for program in wanted)


def _make(compiler: Compiler, folder: Path, programs: Sequence[str], target: Path) -> None:
    """Compile in a copy, so that a checkout or an installed package stays as it is."""
    work = target / "work"
    shutil.copytree(folder, work, ignore=shutil.ignore_patterns("*.o", *programs))
    settings = [f"CC={compiler.cc}", f"KMODS={source_folder('kmods')}"]
    command = ["make", "-C", str(work), *settings, *programs]
    environment = {**os.environ, **compiler.environment}
    done = processes.run(command, "compiling the guest's programs", _COMPILING, env=environment)
    if done.returncode:
        reason = _first_error(done.stderr)
        raise HostProblem(f"the guest's programs cannot be compiled ({folder.name}): {reason}")
    for program in programs:
        strip = [compiler.strip, "-o", str(target / program), str(work / program)]
        done = processes.run(strip, f"stripping {program}")
        if done.returncode:
            raise HostProblem(f"{program} cannot be stripped: {done.stderr.strip()}")
    shutil.rmtree(work)


def _first_error(text: str) -> str:
    lines = text.strip().splitlines() or ["make failed without a word"]
    return next((line for line in lines if "error" in line or "cannot find" in line), lines[-1])
