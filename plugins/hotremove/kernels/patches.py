# SPDX-License-Identifier: Apache-2.0
"""Patches for a kernel that is built from source: `+patch:FILE`, or a folder of them.

They are applied by patch(1) in the order in which they are named, a folder's by name, and have to
fit to the line: a hunk that only fits elsewhere, or with other lines around it, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hotremove.cache import digest
from hotremove.errors import UsageProblem

PREFIX = "patch:"
"""What a word of a spec begins with that names patches."""

COMMAND = ("patch", "--strip=1", "--fuzz=0", "--forward", "--batch", "--no-backup-if-mismatch")
"""Applies the patch of its standard input, or of `--input`, to the tree it is started in."""

_SUFFIXES = (".patch", ".diff")
_FILE = re.compile(r"(?:patching|checking) file (\S+)")
_REJECT = re.compile(
    r"Hunk #\d+ FAILED at \d+|can't find file to patch at input line \d+|Only garbage was found"
    r"|Reversed \(or previously applied\) patch detected|malformed patch at line \d+"
    r"|unexpectedly ends in middle of line|Ignoring potentially dangerous file name \S+"
)


@dataclass(frozen=True)
class Patch:
    """A patch: its file's name and what is in it."""

    name: str
    text: bytes


def is_word(word: str) -> bool:
    """Whether a word of a spec names patches."""
    return word.startswith(PREFIX)


def called(word: str) -> str:
    """How a kernel's release calls the patches of a word.

    Example:
        >>> called("patch:tests/faults/6.12"), called("patch:~/mend.patch")
        ('6.12', 'mend')
    """
    name = Path(word.removeprefix(PREFIX)).name
    return name.removesuffix(".patch").removesuffix(".diff")


def read(words: Iterable[str]) -> tuple[Patch, ...]:
    """The patches of a spec's words, in the order in which they are applied.

    Raises:
        UsageProblem: a word names no file or folder, or one that cannot be read or has no patch.
    """
    found: dict[Path, Patch] = {}
    for word in words:
        for path in _files(word.removeprefix(PREFIX)):
            found.setdefault(path.resolve(), Patch(path.name, _text(path)))
    return tuple(found.values())


def key(patches: Iterable[Patch]) -> str:
    """Changes with the patches' texts and their order, and not with where they lie."""
    return digest(*(patch.text for patch in patches))


def find_reject(output: str) -> str:
    r"""What is the first thing that did not fit, by what patch(1) printed.

    Example:
        >>> find_reject("patching file mm/gup.c\nHunk #2 FAILED at 7.\n1 out of 2 hunks FAILED")
        'mm/gup.c: Hunk #2 FAILED at 7'
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    file = ""
    for line in lines:
        if named := _FILE.match(line):
            file = f"{named[1]}: "
        elif told := _REJECT.search(line):
            return file + told[0]
    return lines[-1] if lines else "no reason given"


def _files(name: str) -> list[Path]:
    path = Path(name).expanduser()
    if name and path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES)
        if not files:
            raise UsageProblem(f"the folder {path} has no patch: {' or '.join(_SUFFIXES)}")
        return files
    if not path.is_file():
        raise UsageProblem(
            f"there is no patch {name!r}: write +{PREFIX}FILE, or a folder that has *.patch"
        )
    return [path]


def _text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageProblem(f"the patch {path} cannot be read: {error.strerror}") from error
