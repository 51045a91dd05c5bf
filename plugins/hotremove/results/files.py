# SPDX-License-Identifier: Apache-2.0
"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hotremove.errors import UsageProblem

STDOUT = Path("-")


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """A path to write to; it takes the place of `path` when the block ends well.

    Raises:
        UsageProblem: it cannot be written.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield aside
        aside.replace(path)
    except OSError as error:
        raise UsageProblem(f"cannot write {path}: {error.strerror}") from error
    finally:
        aside.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder, if it is not there.

    Raises:
        UsageProblem: it cannot be made.
    """
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise UsageProblem(f"cannot write {path}: {error.strerror}") from error


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file; `-` is standard output.

    Raises:
        UsageProblem: it cannot be written.
    """
    data = _data(content)
    if path == STDOUT:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    with written_aside(path) as aside:
        aside.write_bytes(data)


def write_all(contents: Mapping[Path, str | bytes]) -> None:
    """Write several files: all, or none.

    Raises:
        UsageProblem: one cannot be written.
    """
    with ExitStack() as stack:
        for path, content in contents.items():
            if path == STDOUT:
                write_whole(path, content)
                continue
            aside = stack.enter_context(written_aside(path))
            aside.write_bytes(_data(content))


def _data(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content
