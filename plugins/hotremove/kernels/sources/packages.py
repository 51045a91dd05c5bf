# SPDX-License-Identifier: Apache-2.0
"""Kernels in Debian packages: `deb:PATH[,PATH...]`, and the unpacking that `debian:` shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hotremove import processes
from hotremove.architecture import known
from hotremove.cache import Cache, digest
from hotremove.errors import UsageProblem
from hotremove.hosttools import tool
from hotremove.kernels import files, store
from hotremove.kernels.formats import archive, layout, stream
from hotremove.kernels.kernel import Kernel
from hotremove.kernels.source import Source
from hotremove.progress import waiting

_ANY_ARCHITECTURE = "all"


@dataclass(frozen=True)
class Control:
    """The control fields of a package that matter here."""

    version: str
    architecture: str


def resolve(text: str, cache: Cache) -> Kernel:
    """The kernel in the packages of `deb:PATH[,PATH...]`; `text` is what follows the colon.

    Raises:
        UsageProblem: a file is missing, damaged, of another architecture, or they don't belong
            together.
        HostProblem: dpkg-deb or depmod is not installed, or the cache cannot be written.
    """
    debs = files.listed(text, "deb")
    controls = [read_control(path) for path in debs]
    spec = f"deb:{text}"

    def stage(root: Path) -> store.Provenance:
        with waiting(f"unpacking {files.names(debs)}"):
            unpack(debs, root)
        return store.Provenance(source=spec, version=controls[0].version)

    return store.get(cache, digest("deb", *debs), stage, spec)


def read_control(path: Path) -> Control:
    """The control fields of a package for a supported architecture.

    Raises:
        UsageProblem: the file is not an intact package, or is of another architecture.
    """
    fields = ("Version", "Architecture")
    shown = _show(path, "\\n".join(f"${{{name}}}" for name in fields))
    control = Control(*(shown.split("\n") + [""] * 2)[:2])
    bootable = known.by_debian(control.architecture)
    if bootable is None and control.architecture != _ANY_ARCHITECTURE:
        raise UsageProblem(
            f"{path.name} is for {control.architecture or 'no architecture'}; the farm boots"
            f" {known.supported_names()}"
        )
    return control


def unpack(debs: Sequence[Path], root: Path, place: archive.Place = layout.place) -> None:
    """Unpack what `place` wants from the packages into `root`; by default what a guest needs.

    Raises:
        UsageProblem: a package is damaged or holds an unsafe path.
        HostProblem: dpkg-deb is not installed.
    """
    for path in debs:
        stream.unpack([_dpkg_deb(), "--fsys-tarfile", str(path)], root, path.name, place)


def _show(path: Path, template: str) -> str:
    command = [_dpkg_deb(), f"--showformat={template}", "--show", str(path)]
    done = processes.run(command, f"reading {path.name}")
    if done.returncode:
        raise stream.damaged(path.name, done.stderr)
    return done.stdout


def _dpkg_deb() -> str:
    return tool("dpkg-deb", "dpkg")


SOURCE = Source("deb:PATH[,PATH...]", resolve)
