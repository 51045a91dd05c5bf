# SPDX-License-Identifier: Apache-2.0
"""The farm's kernel modules, compiled for one kernel."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hotremove import processes, shapes
from hotremove.architecture.architecture import Architecture
from hotremove.architecture.known import is_native
from hotremove.bootimage.toolchain import Toolchain, find_toolchain
from hotremove.cache import Cache, digest
from hotremove.cgroups import cores
from hotremove.errors import Blocked
from hotremove.kernels import capabilities
from hotremove.kernels.kernel import Kernel
from hotremove.progress import waiting
from hotremove.resources import source_files, source_folder

_ABSENT = "absent.json"
_ERROR = re.compile(r"(?:error: |ERROR: |\*\*\* |No such file)")
# What a kernel has to be built with for a module; the others need no more than modules do.
_CAPABILITIES = {
    "dimm_handler": "DIMMs by a module of the farm",
    "pin_rdma": "ib_umem pins",
    "pin_vfio": "mdev pins",
    "fault": "faults by a module",
}


@dataclass(frozen=True)
class Kmods:
    """The modules of kmods/ for one kernel.

    Attributes:
        modules: files to put in the boot image.
        absent: why a module could not be built, by its name.
        config: the kernel's configuration, empty where it is not known.
    """

    modules: tuple[Path, ...]
    absent: Mapping[str, str]
    config: Mapping[str, str] = field(default_factory=dict)

    def find(self, name: str) -> Path:
        """The file of a module.

        Raises:
            CapabilityAbsent: the kernel was built without what it is for.
            Blocked: it could not be built.
        """
        for module in self.modules:
            if module.stem == name:
                return module
        capabilities.require(
            self.config, capabilities.find(_CAPABILITIES.get(name, "modules of the farm"))
        )
        raise Blocked(f"the module {name} was not built: {self.absent.get(name, 'why?')}")


def kmod_names() -> tuple[str, ...]:
    """The modules there are: folders of kmods/ with a Kbuild."""
    return tuple(sorted(path.parent.name for path in source_folder("kmods").glob("*/Kbuild")))


def build_kmods(kernel: Kernel, cache: Cache) -> Kmods:
    """The modules, compiled if the cache does not hold them for this kernel and these sources.

    Raises:
        CapabilityAbsent: the kernel was built without modules.
        Blocked: there is no way to build modules for this kernel, or none builds.
        HostProblem: a tool is missing, or the cache cannot be written.
    """
    capabilities.require(kernel.config, capabilities.find("modules of the farm"))
    toolchain = find_toolchain(kernel, cache)
    kmods = source_folder("kmods")
    named = [p for path in _sources(kmods) for p in (str(path.relative_to(kmods)), path)]
    key = digest(kernel.release, kernel.version, toolchain.key, *named)

    def build(target: Path) -> None:
        with waiting(f"building kernel modules for {kernel.release}"):
            absent = _build(toolchain, kmods, target)
            for module in target.glob("*.ko"):
                _strip(module, kernel.arch)
        if not any(target.glob("*.ko")):
            raise Blocked(f"no module builds for {kernel.release}: {_common(absent)}")
        (target / _ABSENT).write_text(json.dumps(absent))

    entry = cache.get("kmods", key, build)
    modules = tuple(sorted(entry.glob("*.ko")))
    return Kmods(modules, shapes.read_json(entry / _ABSENT, dict[str, str]), kernel.config)


def _sources(kmods: Path) -> list[Path]:
    return sorted([*source_files(kmods), *kmods.glob("*.mk")])


def _build(toolchain: Toolchain, kmods: Path, target: Path) -> dict[str, str]:
    """Compile all at once; when that fails, one by one. Returns what is wrong with each bad one."""
    names = kmod_names()
    if not _compile(toolchain, kmods, names, target):
        return {}
    failures = ((name, _compile(toolchain, kmods, [name], target)) for name in names)
    return {name: reason for name, reason in failures if reason}


def _compile(toolchain: Toolchain, kmods: Path, names: Sequence[str], target: Path) -> str | None:
    """Compile `names` in a copy and put the modules in `target`; returns what went wrong."""
    work = target / "work"
    shutil.copytree(kmods, work)
    try:
        modules = f"MODULES={' '.join(names)}"
        done = toolchain.make(work, f"-j{cores()}", modules, "modules")
        if done.returncode:
            return _reason(done)
        for name in names:
            shutil.copyfile(work / name / f"{name}.ko", target / f"{name}.ko")
    finally:
        shutil.rmtree(work)
    return None


def _strip(module: Path, arch: Architecture) -> None:
    """Without debug information a module is a tenth of the size, in every guest's memory."""
    strip = "strip" if is_native(arch) else arch.tool("strip")
    processes.run([strip, "--strip-debug", module], f"stripping {module.name}")


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    telling = [line for line in lines if _ERROR.search(line)] or lines[-1:]
    return telling[0] if telling else f"make ended with status {done.returncode}"


def _common(absent: Mapping[str, str]) -> str:
    return next(iter(absent.values()), "no reason given")
