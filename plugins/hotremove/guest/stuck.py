# SPDX-License-Identifier: Apache-2.0
"""Where in the kernel a process of the guest is, as evidence against the kernel."""

from __future__ import annotations

import time

from hotremove.errors import HotremoveError
from hotremove.guest.control import Control
from hotremove.observe.process import ProcessState, parse_stack, parse_stat

# So often is a process seen asleep before it counts as stuck there, and so many seconds apart.
_LOOKS = 4
_APART = 0.25


def process_state(control: Control, pid: int) -> ProcessState | None:
    """The state of a process; None if there is none, or nobody to ask."""
    try:
        return parse_stat(control.read(f"/proc/{pid}/stat"))
    except (HotremoveError, OSError, IndexError):
        return None


def sleeps_for_good(control: Control, pid: int) -> bool:
    """Whether a process waits in the kernel where no signal reaches it (state D), and stays."""
    for _ in range(_LOOKS):
        state = process_state(control, pid)
        if state is None or state.letter != "D":
            return False
        time.sleep(_APART)
    return True


def where_in_kernel(control: Control, pid: int) -> str:
    """The innermost functions a process is in, in words; empty where the kernel does not tell."""
    try:
        frames = parse_stack(control.read(f"/proc/{pid}/stack"))
    except (HotremoveError, OSError):
        return ""
    return f"in {' < '.join(frames)}" if frames else ""
