# SPDX-License-Identifier: Apache-2.0
"""What /proc tells of a process that does not come back from the kernel."""

from __future__ import annotations

from dataclasses import dataclass

TICKS = 100
"""Clock ticks a second, in which /proc/PID/stat counts time (USER_HZ)."""

# More of a stack says no more of where a process waits.
_FRAMES = 8


@dataclass(frozen=True)
class ProcessState:
    """A moment of a process.

    Attributes:
        letter: `R`, `S`, `D` (waits, and no signal reaches it), `T`, `Z` …
        kernel_seconds: processor time it has spent in the kernel.
    """

    letter: str
    kernel_seconds: float


def parse_stat(text: str) -> ProcessState:
    """/proc/PID/stat; the state is its field 3, stime its field 15 (proc_pid_stat(5))."""
    fields = text.rpartition(")")[2].split()
    return ProcessState(fields[0], int(fields[12]) / TICKS)


def parse_stack(text: str) -> tuple[str, ...]:
    """The functions of /proc/PID/stack, the innermost first."""
    words = (line.split() for line in text.splitlines())
    return tuple(line[-1].partition("+")[0] for line in words if line and "+" in line[-1])[:_FRAMES]
