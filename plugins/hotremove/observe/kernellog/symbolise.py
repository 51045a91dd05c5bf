# SPDX-License-Identifier: Apache-2.0
"""Source lines for the functions of a report, by the kernel's own scripts/decode_stacktrace.sh."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from hotremove.errors import HostProblem, UsageProblem

_DEADLINE = 120.0  # seconds; addr2line reads several hundred MB of debug information


@dataclass(frozen=True)
class DebugInfo:
    """What turns addresses into source lines.

    Attributes:
        script: scripts/decode_stacktrace.sh of a kernel tree.
        vmlinux: the kernel with debug information and symbols.
        modules: directory that holds the modules' debug information.
    """

    script: Path
    vmlinux: Path
    modules: Path | None = None


def symbolise(text: str, debug: DebugInfo, deadline: float = _DEADLINE) -> str:
    """The text with `file:line` behind the functions of its call traces.

    Args:
        text: a report's text.
        debug: the script and the debug information.
        deadline: seconds after which it is given up.

    Raises:
        UsageProblem: the script or the debug information is not there.
        HostProblem: the script fails or takes too long, with its last line.
    """
    for path in (debug.script, debug.vmlinux):
        if not path.is_file():
            raise UsageProblem(f"cannot symbolise: no file {path}")
    try:
        done = subprocess.run(
            _command(debug),
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=deadline,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise HostProblem(f"{debug.script} did not end within {deadline:g} s") from None
    except OSError as error:
        raise HostProblem(f"cannot run bash for {debug.script}: {error.strerror}") from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise HostProblem(f"{debug.script} failed: {last}")
    return done.stdout.rstrip("\n")


def _command(debug: DebugInfo) -> list[str]:
    # The script finds out itself which prefix to take off the source paths.
    command = ["bash", str(debug.script), str(debug.vmlinux), "auto"]
    return [*command, str(debug.modules)] if debug.modules else command
