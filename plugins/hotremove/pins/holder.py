# SPDX-License-Identifier: Apache-2.0
"""The process of the guest that has memory mapped and pins it: guests/workloads/holder.c."""

from __future__ import annotations

import errno
import json
import signal
from collections.abc import Iterable, Mapping
from typing import Any

from hotremove.errors import DeadlineExceeded, GuestLost
from hotremove.guest.machine import Guest
from hotremove.guest.stuck import process_state, sleeps_for_good, where_in_kernel
from hotremove.observe.kernellog.oom import is_killed_for_memory
from hotremove.units import GIB

# Seconds that each GiB adds to what its guest's kernel is given for a command.
_FOR_A_GIB = 60.0


class PinRefused(OSError):
    """The kernel refused a pin; `errno` and the call are its own."""


class HolderStuck(AssertionError):
    """The holder waits in the kernel, where no signal reaches it, and does not come back."""


class PinHangs(HolderStuck):
    """The kernel is still pinning long after it should have pinned or refused: a livelock."""


class Holder:
    """A holder, which does as it is told, line by line; docs/guest-protocol.md has its commands.

    Attributes:
        guest: where it runs.
        pid: its process.
        address: where it has the memory mapped.
        holds: what it has mapped, in words.
    """

    def __init__(self, guest: Guest, words: Iterable[str], holds: str, size: int = 0) -> None:
        """Start one with the `words` that say what it maps, `size` bytes.

        Raises:
            PinRefused: the kernel does not give the memory.
        """
        self.guest = guest
        self.pid = 0
        self.holds = holds
        self._deadline = guest.patience.holder + _FOR_A_GIB * (size // GIB)
        self._job = guest.control.start(" ".join(["exec holder", *words]))
        mapped = self.answer("map")
        self.pid, self.address = int(mapped["pid"]), int(mapped["address"])

    def ask(self, command: str) -> Mapping[str, Any]:
        """Its answer to a command; raises as `answer`."""
        self.send(command)
        return self.answer(command)

    def send(self, command: str) -> None:
        """Let it begin with a command."""
        self.guest.control.send(self._job, f"{command}\n".encode())

    def answer(self, command: str) -> Mapping[str, Any]:
        """Wait for its answer to a command that was sent.

        Raises:
            PinRefused: the kernel refused; `errno` and the call are its own.
            HolderStuck: the kernel does not let it go on.
            GuestLost, DeadlineExceeded: it ended, or does not answer.
        """
        with self.guest.timeline.passing(f"holder: {command.partition(' ')[0]}"):
            line = self.guest.control.read_line(self._job, self._deadline)
        if line is None:
            raise self._silent(command)
        answer: Mapping[str, Any] = json.loads(line)
        if answer["event"] == "error":
            raise PinRefused(answer["errno"], f"{answer['call']}: {answer['message']}")
        return answer

    def close(self) -> None:
        """End it, which releases its memory and its pins.

        Raises:
            HolderStuck: the kernel does not let it end.
            DeadlineExceeded: it does not end.
        """
        self.guest.control.close_input(self._job)
        if self.guest.control.wait(self._job, self._deadline) is None:
            raise self._stuck("the holder's end") or DeadlineExceeded(
                f"the holder, pid {self.pid}, did not end in {self._deadline:g} s"
            )

    def kill(self) -> None:
        """Kill it, which releases its memory and its pins.

        Raises:
            HolderStuck, DeadlineExceeded: as `close`.
        """
        self.guest.control.kill(self._job, signal.SIGKILL)
        self.close()

    @property
    def running(self) -> bool:
        """Whether its end has not been told."""
        return self._job.running

    def require_running(self) -> None:
        """Make sure that it lives, and so has what it pinned.

        Raises:
            GuestLost: it has ended, which nobody asked it to.
            PinRefused: the kernel's OOM killer ended it.
        """
        if not self._job.running:
            raise self._silent("pins")

    def __str__(self) -> str:
        return f"pid {self.pid}, {self.holds}"

    def _silent(self, command: str) -> Exception:
        """Why the holder did not answer: it ended, or it hangs in the kernel."""
        if self._job.running:
            return self._stuck(command) or DeadlineExceeded(
                f"`{command}` did not return in the guest in {self._deadline:g} s"
            )
        done = self._job.completed()
        if done.ending == "signal" and is_killed_for_memory(self.guest.dmesg(), self.pid):
            return PinRefused(
                errno.ENOMEM, f"`{command}`: the kernel's OOM killer ended the holder"
            )
        ending = f"{done.ending} {done.status}"
        return GuestLost(f"the holder ended at `{command}` ({ending}): {done.complaint}")

    def _stuck(self, command: str) -> Exception | None:
        """What shows that the kernel has the holder and does not give it back."""
        control = self.guest.control
        state = process_state(control, self.pid)
        if sleeps_for_good(control, self.pid):
            where = where_in_kernel(control, self.pid)
            told = f"`{command}` is in state D after {self._deadline:g} s {where}".rstrip()
            return HolderStuck(f"{told}: {self}")
        if command.startswith("pin ") and state and state.kernel_seconds > self._deadline / 2:
            told = f"`{command}` goes on after {self._deadline:g} s, in the kernel all the time"
            return PinHangs(f"{told}: {self}")
        return None
