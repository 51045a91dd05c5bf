# SPDX-License-Identifier: Apache-2.0
"""Files that a spec names."""

from __future__ import annotations

from pathlib import Path

from hotremove.errors import UsageProblem


def listed(text: str, scheme: str) -> tuple[Path, ...]:
    """The files of a comma-separated list, each of which must exist.

    Raises:
        UsageProblem: the list is empty or names something that is not a file.
    """
    named = [Path(part).expanduser() for part in text.split(",") if part]
    if not named:
        raise UsageProblem(f"{scheme}: names no file; write {scheme}:PATH[,PATH...]")
    for path in named:
        if not path.is_file():
            raise UsageProblem(f"{scheme}: there is no file {path}")
    return tuple(path.absolute() for path in named)


def names(paths: tuple[Path, ...]) -> str:
    """File names for a message."""
    return ", ".join(path.name for path in paths)
