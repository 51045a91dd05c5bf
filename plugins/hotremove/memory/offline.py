# SPDX-License-Identifier: Apache-2.0
"""One memory block being offlined in the background."""

from __future__ import annotations

import errno
import os
import signal

from hotremove.errors import DeadlineExceeded
from hotremove.guest.control import Completed
from hotremove.guest.machine import Guest
from hotremove.memory.blocks import SYSFS, read_blocks, read_counters
from hotremove.observe.counters import ISOLATED_ERROR, Counters, delta
from hotremove.observe.pagemap import MemoryBlock

# offline_pages() looks for a pending signal between two rounds of migration, milliseconds apart.
INTERRUPTION_DEADLINE = 10.0


def offline_command(index: int) -> str:
    """The command that offlines memory block `index` and exits with the write's errno."""
    return f"exec write_once offline {SYSFS}/memory{index}/state"


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
        self._done: Completed | None = None

    def is_stuck(self, after: float) -> bool:
        """Whether it is still under way `after` seconds from now."""
        with self.guest.timeline.span(f"offline memory{self.block.index}", after):
            return not self.ends(after)

    def ends(self, within: float) -> bool:
        """Whether it ends within so many seconds, well or not."""
        self._done = self._done or self.guest.control.wait(self._job, within)
        return self._done is not None

    @property
    def ending(self) -> str:
        """How it ended, in a word: `offline` or the errno's name; `stuck` as long as it has not."""
        if self._done is None:
            return "stuck"
        return errno.errorcode[self._done.status] if self._done.status else "offline"

    def terminate(self) -> None:
        """Send SIGTERM and wait for the end.

        Raises:
            DeadlineExceeded: the signal does not end it.
        """
        self.guest.control.kill(self._job, signal.SIGTERM)
        with self.guest.timeline.span("SIGTERM", INTERRUPTION_DEADLINE):
            self._done = self.guest.control.wait(self._job, INTERRUPTION_DEADLINE)
        if self._done is None:
            raise DeadlineExceeded(
                f"offlining memory{self.block.index} goes on {INTERRUPTION_DEADLINE:g} s after "
                "SIGTERM"
            )

    def expect_interrupted(self) -> None:
        """Require that the write failed with EINTR and the kernel told why.

        Raises:
            AssertionError: it ended otherwise.
        """
        __tracebackhide__ = True
        status = self._done.status if self._done else 0
        ended = os.strerror(status) if status else "it succeeded"
        assert status == errno.EINTR, f"offlining did not fail with EINTR: {ended}"
        told = "failed due to signal backoff" in self.guest.dmesg(self._dmesg_start)
        assert told, "the kernel did not log `memory offlining … failed due to signal backoff`"

    def expect_block_usable(self) -> None:
        """Require that the block is back as it was, and no page is left isolated.

        Raises:
            AssertionError: with what is left.
        """
        __tracebackhide__ = True
        blocks = {block.index: block for block in read_blocks(self.guest.control)}
        now = blocks[self.block.index]
        assert (now.state, now.zone) == (self.block.state, self.block.zone), (
            f"memory{now.index} is {now.state} in {now.zone}, "
            f"was {self.block.state} in {self.block.zone}"
        )
        isolated = delta(self._before, read_counters(self.guest.control, self.node)).isolated
        assert isolated < ISOLATED_ERROR, (
            f"{isolated} pages stay isolated after the interrupted offline"
        )
