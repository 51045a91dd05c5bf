# SPDX-License-Identifier: Apache-2.0
"""The suite as a child process: what commands that judge kernels run."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hotremove.errors import UsageProblem
from hotremove.resources import source_folder

# Seconds that an interrupted run is given to end its guests and to write its record.
_FAREWELL = 60.0


def suite_command(
    folder: Path, kernels: Iterable[str], *words: str, scenarios: Path | None = None
) -> list[str]:
    """The command for `scenarios`, by default the project's own, on some kernels.

    Args:
        folder: where results and evidence go.
        kernels: their specs.
        words: more options.
        scenarios: a file or folder of tests.
    """
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "hotremove"]
    # With `=`: pytest takes a folder after a blank for a place to look for its settings.
    command += [str(scenarios or source_folder("scenarios")), f"--hotremove-artifacts={folder}"]
    command += [f"--hotremove-kernel={kernel}" for kernel in kernels]
    return [*command, "--hotremove-expect=strict", *words]


def split_words(text: str) -> list[str]:
    """The words of `--pytest`.

    Raises:
        UsageProblem: a quotation mark is open.
    """
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageProblem(f"--pytest {text!r}: {error}") from error


def run_suite(
    command: Sequence[str], deadline: float | None = None, log: Path | None = None
) -> int | None:
    """The exit code of pytest; None if it had to be broken off after `deadline` seconds.

    Ctrl-C and SIGTERM are for pytest to handle, which ends its guests. What it prints goes into
    the file `log`, if there is one.

    Raises:
        OSError: the file cannot be written.
    """
    with ExitStack() as stack:
        out = stack.enter_context(log.open("wb")) if log else None
        error = subprocess.STDOUT if log else None
        child = stack.enter_context(subprocess.Popen(command, stdout=out, stderr=error))
        stack.enter_context(_passing_on(child))
        while True:
            try:
                return child.wait(deadline)
            except KeyboardInterrupt:
                continue
            except subprocess.TimeoutExpired:
                _break_off(child)
                return None


def _break_off(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(_FAREWELL)
    except subprocess.TimeoutExpired:
        child.kill()


@contextmanager
def _passing_on(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Let SIGTERM end the child, not orphan it.

    As SIGTERM: started behind `&` of a script, the child ignores SIGINT, as this process does.
    """
    before = signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
