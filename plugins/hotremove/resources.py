# SPDX-License-Identifier: Apache-2.0
"""Where the guest's and the modules' sources lie: beside the package in a checkout, else inside."""

from __future__ import annotations

from pathlib import Path

from hotremove.errors import HostProblem

_PACKAGE = Path(__file__).resolve().parent
_HOMES = (_PACKAGE, _PACKAGE.parent.parent)


def source_folder(name: str) -> Path:
    """The folder `guests`, `kmods` or `scenarios`, or one below it (`guests/agent`).

    Raises:
        HostProblem: the installation is incomplete.
    """
    for home in _HOMES:
        if (home / name).is_dir():
            return home / name
    raise HostProblem(f"the folder {name}/ is missing from this installation: install it again")


def source_files(folder: Path) -> list[Path]:
    """The tracked kind of files below `folder`, in a stable order: sources and Makefiles."""
    kinds = {".c", ".h", ".S"}
    found = (p for p in folder.rglob("*") if p.suffix in kinds or p.name in ("Makefile", "Kbuild"))
    return sorted(path for path in found if path.is_file())
