# SPDX-License-Identifier: Apache-2.0
"""Memory that was plugged into a guest and can be asked back, whatever the mechanism."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from hotremove.errors import GuestDied, HotremoveError
from hotremove.guest.machine import Guest
from hotremove.guest.polling import wait_until
from hotremove.memory.blocks import read_blocks, read_counters, require_hot_remove
from hotremove.observe.counters import Counters
from hotremove.observe.pagedump import PageDump, parse_dumps
from hotremove.observe.pagemap import PAGE_BYTES, MemoryBlock, PfnRuns, frames_of
from hotremove.pins.buffer import Buffer
from hotremove.verdict.outcome import Outcome
from hotremove.verdict.removal import Removal

MIB = 1 << 20
# Seconds a removal is given. Fixed kernels need 0.05 to 0.4; the kernel itself never gives up.
DEADLINE = 30.0
# Seconds from plugging to online: below 1 under TCG.
ONLINE_DEADLINE = 30.0
_EVENT_FORMAT = "/sys/kernel/tracing/events/migrate/mm_migrate_pages/format"


@dataclass(frozen=True)
class End:
    """How a mechanism ended, before the evidence is gathered."""

    outcome: Outcome
    remark: str = ""


Mechanism = Callable[[float], End]


class Removable:
    """Hot-plugged memory on one node, online in ZONE_MOVABLE.

    Attributes:
        guest: where it is plugged.
        node: its NUMA node.
        size: bytes.
        deadline: seconds a removal is given when it names none.
        blocks: its memory blocks, as they were when it came online.
        frames: its page frames.
        buffers: memory mapped on it through `map`.
        dump_deadline: seconds a stuck removal is given, beyond its deadline, to print the page that
            blocks it: the kernel does so once a round, and a round can take long on a busy machine.
    """

    dump_deadline = 20.0

    def __init__(
        self, guest: Guest, node: int, mib: int, plug: Callable[[], None], deadline: float
    ) -> None:
        """Call `plug` and wait until the kernel has onlined all of `mib` MiB in ZONE_MOVABLE.

        Raises:
            CapabilityAbsent: the kernel cannot plug or remove memory.
            HotremoveError: the memory came up elsewhere, or not at all.
        """
        require_hot_remove(guest.control)
        self.guest = guest
        self.node = node
        self.size = mib * MIB
        self.deadline = deadline
        self.buffers: list[Buffer] = []
        known = {block.index for block in read_blocks(guest.control)}
        with guest.timeline.span(f"plug {mib} MiB"):
            plug()
        with guest.timeline.span("online"):
            self.blocks = self._await_online(known)
        self.frames: PfnRuns = frames_of(self.blocks)
        self._dmesg_start = guest.evidence.size()

    def map(
        self,
        size: int,
        kind: str = "anon",
        faulted: bool = True,
        read_only: bool = False,
    ) -> Buffer:
        """Map `size` bytes on its node.

        Pages that are `faulted` exist before any pin, and are bound to the node. Those that are not
        prefer it: a pin that must not use ZONE_MOVABLE has to find them elsewhere, and a bound
        range would leave it only what little other memory the node has.
        """
        buffer = Buffer(self.guest, size, self.node, kind, faulted, read_only, prefer=not faulted)
        self.buffers.append(buffer)
        return buffer

    def counters(self) -> Counters:
        """The node's counters now."""
        return read_counters(self.guest.control, self.node)

    def pinned_pages(self, buffer: Buffer) -> int:
        """How many pages of a buffer lie in this memory, by pagemap."""
        return buffer.frames().inside(self.frames)

    def movable_blocks(self) -> tuple[MemoryBlock, ...]:
        """The node's online blocks in ZONE_MOVABLE."""
        blocks = read_blocks(self.guest.control)
        return tuple(b for b in blocks if b.node == self.node and b.zone == "Movable")

    def _observe(self, mechanism: str, given: float | None, remove: Mechanism) -> Removal:
        deadline = given or self.deadline
        before = self.counters()
        pins = tuple(pin for buffer in self.buffers for pin in buffer.pins)
        start = time.monotonic()
        try:
            with self.guest.timeline.span(f"remove by {mechanism}"):
                end = remove(deadline)
        except GuestDied as death:
            end = End(Outcome.GUEST_DIED, str(death))
        seconds = time.monotonic() - start
        if end.outcome is Outcome.STUCK and pins:
            wait_until(lambda: bool(self._dumps()), self.dump_deadline, self.guest.check)
        removal = Removal(
            mechanism=mechanism,
            outcome=end.outcome,
            seconds=seconds,
            deadline=deadline,
            node=self.node,
            frames=self.frames,
            pins=pins,
            before=before,
            after=self._counters_after(before),
            dumps=self._dumps(),
            migrates_pins=self._migrates_pins(),
            remark=end.remark,
        )
        self.guest.removals.append(removal)
        return removal

    def _counters_after(self, before: Counters) -> Counters:
        try:
            return self.counters()
        except (HotremoveError, OSError):
            return before

    def _dumps(self) -> tuple[PageDump, ...]:
        lines = self.guest.dmesg(self._dmesg_start).splitlines()
        return tuple(
            dump for dump in parse_dumps(lines) if dump.pfn is not None and dump.pfn in self.frames
        )

    def _migrates_pins(self) -> bool:
        """Whether the reason `longterm_pin` exists: absent in 5.10, present from 5.13."""
        try:
            return "longterm_pin" in self.guest.control.read(_EVENT_FORMAT)
        except (HotremoveError, OSError):
            return False

    def _indexes(self) -> set[int]:
        return {block.index for block in read_blocks(self.guest.control)}

    def _await_online(self, known: set[int]) -> tuple[MemoryBlock, ...]:
        """The blocks once all are online; their node and zone are checked, not assumed."""
        new: tuple[MemoryBlock, ...] = ()

        def all_online() -> bool:
            nonlocal new
            new = tuple(b for b in read_blocks(self.guest.control) if b.index not in known)
            online = [block for block in new if block.state == "online"]
            return sum(block.frames.pages for block in online) * PAGE_BYTES >= self.size

        came = wait_until(all_online, ONLINE_DEADLINE, self.guest.check)
        wrong = [b for b in new if (b.node, b.zone) != (self.node, "Movable")]
        if came and not wrong:
            return new
        seen = ", ".join(f"memory{b.index} {b.state} node {b.node} {b.zone}" for b in wrong or new)
        raise HotremoveError(
            f"the plugged {self.size // MIB} MiB are not online in node {self.node}'s "
            f"ZONE_MOVABLE: {seen or 'no new memory block'}"
        )
