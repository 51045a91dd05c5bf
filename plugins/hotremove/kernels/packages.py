# SPDX-License-Identifier: Apache-2.0
"""Kernels in Debian packages: `deb:PATH[,PATH...]`, and the unpacking that `debian:` shares."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hotremove.cache import Cache, digest
from hotremove.errors import HostProblem, UsageProblem
from hotremove.kernels import architecture, archive, entry
from hotremove.kernels.kernel import Kernel
from hotremove.progress import waiting

_ANY_ARCHITECTURE = "all"


@dataclass(frozen=True)
class Control:
    """The control fields of a package that matter here."""

    package: str
    version: str
    architecture: str


def resolve(text: str, cache: Cache) -> Kernel:
    """The kernel in the packages of `deb:PATH[,PATH...]`; `text` is what follows the colon.

    Raises:
        UsageProblem: a file is missing, damaged, of another architecture, or they don't belong
            together.
        HostProblem: dpkg-deb or depmod is not installed, or the cache cannot be written.
    """
    files = paths(text, "deb")
    controls = [read_control(path) for path in files]
    spec = f"deb:{text}"

    def stage(root: Path) -> entry.Provenance:
        with waiting(f"unpacking {', '.join(path.name for path in files)}"):
            unpack(files, root)
        return entry.Provenance(source=spec, version=controls[0].version)

    return entry.get(cache, digest("deb", *files), stage, spec)


def paths(text: str, scheme: str) -> tuple[Path, ...]:
    """The files of a comma-separated list, each of which must exist.

    Raises:
        UsageProblem: the list is empty or names something that is not a readable file.
    """
    named = [Path(part).expanduser() for part in text.split(",") if part]
    if not named:
        raise UsageProblem(f"{scheme}: names no file; write {scheme}:PATH[,PATH...]")
    for path in named:
        if not path.is_file():
            raise UsageProblem(f"{scheme}: there is no file {path}")
    return tuple(path.absolute() for path in named)


def read_control(path: Path) -> Control:
    """The control fields of a package for a supported architecture.

    Raises:
        UsageProblem: the file is not an intact package, or is of another architecture.
    """
    fields = ("Package", "Version", "Architecture")
    shown = _show(path, "\\n".join(f"${{{name}}}" for name in fields))
    control = Control(*(shown.split("\n") + [""] * 3)[:3])
    known = architecture.by_debian(control.architecture)
    if known is None and control.architecture != _ANY_ARCHITECTURE:
        raise UsageProblem(
            f"{path.name} is for {control.architecture or 'no architecture'}; the farm boots"
            f" {architecture.supported_names()}"
        )
    return control


def unpack(files: Sequence[Path], root: Path) -> None:
    """Unpack what a guest needs from the packages into `root`.

    Raises:
        UsageProblem: a package is damaged or holds an unsafe path.
        HostProblem: dpkg-deb is not installed.
    """
    for path in files:
        _unpack_one(path, root)


def _unpack_one(path: Path, root: Path) -> None:
    command = [_tool(), "--fsys-tarfile", str(path)]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        try:
            with (
                archive.damage_is_reported(path.name),
                tarfile.open(fileobj=process.stdout, mode="r|", bufsize=1 << 20) as members,
            ):
                archive.unpack(members, root, path.name)
        except BaseException:
            process.kill()
            raise
        _drain(process)
        if process.wait():
            errors.seek(0)
            raise _damaged(path, errors.read().decode(errors="replace"))


def _drain(process: subprocess.Popen[bytes]) -> None:
    """Read the padding after the last member: a closed pipe would look like a damaged package."""
    while process.stdout and process.stdout.read(1 << 16):
        pass


def _show(path: Path, template: str) -> str:
    command = [_tool(), f"--showformat={template}", "--show", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise _damaged(path, done.stderr)
    return done.stdout


def _tool() -> str:
    found = shutil.which("dpkg-deb")
    if not found:
        raise HostProblem("dpkg-deb is not installed: install the package dpkg")
    return found


def _damaged(path: Path, stderr: str) -> UsageProblem:
    reason = (stderr.strip().splitlines() or ["no reason given"])[-1]
    reason = reason.removeprefix("dpkg-deb: error: ")
    return UsageProblem(f"{path.name} is not an intact Debian package: {reason}")
