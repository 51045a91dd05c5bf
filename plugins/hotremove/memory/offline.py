# SPDX-License-Identifier: Apache-2.0
"""One memory block being offlined in the background."""

from __future__ import annotations

import errno
import signal

from hotremove.errors import DeadlineExceeded, GuestLost
from hotremove.guest.machine import Guest
from hotremove.guest.memory_blocks import SYSFS, read_blocks, read_counters
from hotremove.guest.stuck import process_state, where_in_kernel
from hotremove.memory.write import Write, parse_write, write_command
from hotremove.observe.counters import ISOLATED_ERROR, Counters, delta
from hotremove.observe.pagemap import MemoryBlock
from hotremove.virt.polling import wait_until

# offline_pages() looks for a pending signal between two rounds of migration, milliseconds apart.
INTERRUPTION_DEADLINE = 10.0

BEGINNING = 10.0
"""Seconds in which the kernel is to begin: the process that asks it may have to wait its turn."""


class SignalIgnored(AssertionError):
    """The kernel goes on offlining long after a signal should have ended it."""


def offline_command(index: int) -> str:
    """The command that offlines memory block `index` and tells what came of it."""
    return write_command("offline", f"{SYSFS}/memory{index}/state")


class Offline:
    """A write of `offline` to a block's state, under way.

    Attributes:
        block: the block, as it was before.
    """

    def __init__(self, guest: Guest, block: MemoryBlock, node: int, before: Counters) -> None:
        """Begin."""
        self.guest = guest
        self.block = block
        self.node = node
        self._before = before
        self._dmesg_start = guest.evidence.size()
        self._job = guest.control.start(offline_command(block.index))
        self._write: Write | None = None

    def expect_stuck(self, after: float) -> None:
        """Require that it is under way, in the kernel, `after` seconds from when it has begun.

        Raises:
            AssertionError: it ended, though pinned pages are in the block.
            GuestLost: the kernel has not begun; nothing can be said of it.
        """
        __tracebackhide__ = True
        with self.guest.timeline.span(f"offline memory{self.block.index}", after):
            wait_until(self._has_begun, BEGINNING, self.guest.check)
            ended = self.ends(after)
        assert not ended, f"offlining memory{self.block.index} under a pin ended: {self._write}"
        state = self._block_now().state
        if state != "going-offline":
            raise GuestLost(f"memory{self.block.index} is {state}: nobody has begun to offline it")

    def _has_begun(self) -> bool:
        return self._block_now().state == "going-offline" or self.ends(0.0)

    def ends(self, within: float) -> bool:
        """Whether it ends within so many seconds, well or not.

        Raises:
            GuestLost: it ended by itself, without an answer of the kernel.
        """
        if self._write is None:
            done = self.guest.control.wait(self._job, within)
            self._write = parse_write(done) if done else None
        return self._write is not None

    @property
    def ending(self) -> str:
        """How it ended, in a word: `offline` or the errno's name; `stuck` as long as it has not."""
        if self._write is None:
            return "stuck"
        error = self._write.error
        return errno.errorcode.get(error, str(error)) if error else "offline"

    def terminate(self) -> None:
        """Send SIGTERM and wait for the end.

        Raises:
            SignalIgnored: the kernel does not come back, with the signal waiting for it.
            DeadlineExceeded: the signal does not end it, and the kernel is not to blame.
        """
        __tracebackhide__ = True
        self.guest.control.kill(self._job, signal.SIGTERM)
        with self.guest.timeline.span("SIGTERM", INTERRUPTION_DEADLINE):
            ended = self.ends(INTERRUPTION_DEADLINE)
        if not ended:
            raise self._unended()

    def _unended(self) -> Exception:
        """Why the signal did not end it: the kernel's fault where it still holds the process."""
        told = (
            f"offlining memory{self.block.index} goes on {INTERRUPTION_DEADLINE:g} s after SIGTERM"
        )
        pid = self._job.pid or 0
        state = process_state(self.guest.control, pid)
        trying = self._block_now().state == "going-offline"
        if not trying or state is None or state.letter not in "RD":
            return DeadlineExceeded(told)
        where = where_in_kernel(self.guest.control, pid)
        return SignalIgnored(f"{told}: pid {pid} is in state {state.letter} {where}".rstrip())

    def expect_interrupted(self) -> None:
        """Require that the write failed with EINTR and the kernel told why.

        Raises:
            AssertionError: it ended otherwise.
        """
        __tracebackhide__ = True
        ended = self._write or "it has not ended"
        assert self.ending == "EINTR", f"offlining did not fail with EINTR: {ended}"
        logged = "failed due to signal backoff" in self.guest.dmesg(self._dmesg_start)
        assert logged, "the kernel did not log `memory offlining … failed due to signal backoff`"

    def expect_block_usable(self) -> None:
        """Require that the block is back as it was, and no page is left isolated.

        Raises:
            AssertionError: with what is left.
        """
        __tracebackhide__ = True
        now = self._block_now()
        assert (now.state, now.zone) == (self.block.state, self.block.zone), (
            f"memory{now.index} is {now.state} in {now.zone}, "
            f"was {self.block.state} in {self.block.zone}"
        )
        isolated = delta(self._before, read_counters(self.guest.control, self.node)).isolated
        assert isolated < ISOLATED_ERROR, (
            f"{isolated} pages stay isolated after the interrupted offline"
        )

    def _block_now(self) -> MemoryBlock:
        blocks = {block.index: block for block in read_blocks(self.guest.control)}
        return blocks[self.block.index]
