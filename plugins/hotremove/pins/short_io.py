# SPDX-License-Identifier: Apache-2.0
"""I/O that goes on and pins memory for as long as each call lasts: guests/workloads/io_loop.c."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass

from hotremove.errors import GuestLost, HotremoveError
from hotremove.guest.capability import require
from hotremove.guest.control import Job
from hotremove.guest.machine import Guest
from hotremove.kernels.capabilities import find
from hotremove.pins.buffer import Buffer

# Seconds for one pass through all of the memory: 0.1 for 8 MiB under TCG.
_PASS = 30.0


@dataclass(frozen=True)
class Passes:
    """How often I/O went through the memory, and its longest call in seconds."""

    count: int
    longest: float

    def __str__(self) -> str:
        return f"{self.count} passes, longest call {self.longest:.3f} s"


class ShortIo:
    """I/O under way.

    >>> io = short_io.begin(buffer, "direct")
    """

    def __init__(self, guest: Guest, path: Callable[[str], str]) -> None:
        """`path` gives the name of a file to read from, on a filesystem that knows O_DIRECT."""
        self.guest = guest
        self._path = path
        self._job: Job | None = None

    def begin(self, buffer: Buffer, how: str) -> None:
        """Begin, and wait until it went through all of a shared buffer once.

        `direct` reads a file into it (O_DIRECT), `process` reads it by process_vm_readv().

        Raises:
            CapabilityAbsent: the kernel was built without the call.
            HotremoveError: the kernel refuses.
        """
        if how == "process":
            require(self.guest, find("process_vm_readv()"))
        command = {
            "direct": f"{buffer.file} {self._path('io')}",
            "process": f"{buffer.pid} {buffer.holder.address} {buffer.size}",
        }[how]
        self._job = self.guest.control.start(f"exec io_loop {how} {command}")
        if self.guest.control.read_line(self._job, _PASS) != b"begun":
            raise HotremoveError(f"no I/O by `{how}`: {self._job.stderr.decode().strip()}")

    def end(self) -> Passes:
        """End it, and tell what it did.

        Raises:
            GuestLost: it had ended before.
        """
        job = self._job
        self.guest.control.ping()  # its end is told before the answer
        if job is None or not job.running:
            raise GuestLost("the I/O that was to go on had ended before it was told to")
        self.guest.control.kill(job, signal.SIGTERM)
        done = self.guest.control.wait(job, _PASS)
        if done is None or not done.ok:
            raise GuestLost(f"the I/O did not end well: {done.complaint if done else 'no end'}")
        count, longest = done.text.split()
        return Passes(int(count), float(longest))
