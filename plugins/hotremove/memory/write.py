# SPDX-License-Identifier: Apache-2.0
"""One write(2) to a file of the guest's sysfs, by guests/workloads/write_once.c."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass

from hotremove.errors import GuestLost
from hotremove.guest.control import Completed
from hotremove.observe.span import Span

_TOLD = re.compile(r"(\d+\.\d+) (\d+\.\d+) (\d+)")


def write_command(text: str, path: str) -> str:
    """The command that writes `text` to `path` once and tells what came of it."""
    return f"exec write_once {text} {path}"


@dataclass(frozen=True)
class Write:
    """A write that returned.

    Attributes:
        span: when it began and ended.
        error: its errno; 0 where it succeeded.
    """

    span: Span
    error: int

    def __str__(self) -> str:
        """`EBUSY: Device or resource busy`, or `it succeeded`."""
        if not self.error:
            return "it succeeded"
        return f"{errno.errorcode.get(self.error, self.error)}: {os.strerror(self.error)}"


def parse_write(done: Completed) -> Write:
    """What `write_command` told; its exit status alone could be anybody's.

    Raises:
        GuestLost: the program ended before its write did, so that nothing is known of the kernel.
    """
    told = _TOLD.search(done.text)
    if not told:
        raise GuestLost(
            f"`{done.command}` ended with no answer of the kernel "
            f"({done.ending} {done.status}): {done.complaint or 'it said nothing'}"
        )
    return Write((float(told[1]), float(told[2])), int(told[3]))
