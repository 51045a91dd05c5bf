# SPDX-License-Identifier: Apache-2.0
"""Memory that was plugged into a guest and can be asked back, whatever the mechanism."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from hotremove.errors import GuestDied, HotremoveError
from hotremove.guest.control import Completed
from hotremove.guest.longterm import migrates_pins
from hotremove.guest.machine import Guest
from hotremove.guest.polling import wait_until
from hotremove.memory.blocks import SYSFS, read_blocks, read_counters, require_hot_remove
from hotremove.memory.offline import offline_command
from hotremove.observe.counters import Counters
from hotremove.observe.pagedump import PageDump, parse_dumps
from hotremove.observe.pagemap import PAGE_BYTES, MemoryBlock, PfnRuns, frames_of
from hotremove.observe.reasons import parse_reasons
from hotremove.pins.buffer import Buffer, PinRefused
from hotremove.pins.pin import Pin
from hotremove.verdict.outcome import Outcome
from hotremove.verdict.removal import Removal

MIB = 1 << 20
# Seconds a removal is given. Fixed kernels need 0.05 to 0.4; the kernel itself never gives up.
DEADLINE = 30.0
# Seconds from plugging to online: below 1 under TCG.
ONLINE_DEADLINE = 30.0
# By how much a pin or an offline begins before the other, seconds at most: the offline of a block
# of 128 MiB takes 0.05 to 0.2 under TCG.
_LEAD = 0.1


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
        zone: the zone its blocks are in, as sysfs names it.
        policy: what to write to a block's `state` to put it there.
        dump_deadline: seconds a stuck removal is given, beyond its deadline, to print the page that
            blocks it: the kernel does so once a round, and a round can take long on a busy machine.
    """

    dump_deadline = 20.0
    zone = "Movable"
    policy = "online_movable"

    def __init__(
        self, guest: Guest, node: int, mib: int, plug: Callable[[], None], deadline: float
    ) -> None:
        """Call `plug` and wait until the kernel has onlined all of `mib` MiB in its zone.

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
        known = self._known_blocks()
        with guest.timeline.span(f"plug {mib} MiB"):
            plug()
        with guest.timeline.span("online", ONLINE_DEADLINE):
            self.blocks = self._await_online(known)
        self.frames: PfnRuns = frames_of(self.blocks)
        self._dmesg_start = guest.evidence.size()

    def map(
        self,
        size: int,
        kind: str = "anon",
        faulted: bool = True,
        read_only: bool = False,
        file: str | None = None,
        cpu: int | None = None,
        spill: bool = False,
    ) -> Buffer:
        """Map `size` bytes on its node, or with `spill` elsewhere too; see `Buffer` for the words.

        Pages that are `faulted` exist before any pin, and are bound to the node. Those that are not
        prefer it: a pin that must not use ZONE_MOVABLE has to find them elsewhere, and a bound
        range would leave it only what little other memory the node has.
        """
        buffer = Buffer(
            self.guest,
            size,
            self.node,
            kind,
            faulted,
            read_only,
            prefer=spill or not faulted,
            file=file,
            cpu=cpu,
        )
        self.buffers.append(buffer)
        return buffer

    def share(self, size: int, holders: int = 2) -> tuple[Buffer, ...]:
        """Map the same `size` bytes on its node in several processes."""
        file = f"/run/shared{len(self.buffers)}"
        return tuple(self.map(size, "file", file=file) for _ in range(holders))

    def renew(self, *buffers: Buffer) -> None:
        """Have buffers that were pinned made of new pages, which lie in this memory again.

        Raises:
            HotremoveError: pages came from elsewhere.
        """
        for buffer in buffers:
            buffer.renew()
        for buffer in buffers:
            elsewhere = buffer.frames() - self.frames
            if elsewhere:
                raise HotremoveError(f"new pages lie outside the memory: {elsewhere}")

    def online(self) -> None:
        """Online its offline blocks again, in their zone.

        Raises:
            RuntimeError: a block does not come online.
        """
        states = " ".join(f"{SYSFS}/memory{block.index}/state" for block in self.blocks)
        with self.guest.timeline.span("online"):
            self.guest.control.check(
                f"for state in {states}; do "
                f"[ $(cat $state) = online ] || echo {self.policy} >$state || exit; done",
                ONLINE_DEADLINE,
            )

    def offline(self, deadline: float | None = None) -> Removal:
        """Offline its blocks one by one through sysfs; a child that is killed at the deadline."""
        return self._observe("sysfs offline", deadline, self._offline)

    @property
    def pins(self) -> tuple[Pin, ...]:
        """What is held of the memory mapped on it."""
        return tuple(pin for buffer in self.buffers for pin in buffer.pins)

    def race(self, begin_pin: Callable[[], Callable[[], Pin]], chance: Random) -> Removal:
        """Offline the block that holds most of what is mapped, while a pin is taken.

        `begin_pin` begins it and gives what waits for it. Chance decides which of the two begins,
        and how much later the other does. A pin may be refused; what a refused one held is free.
        """
        mapped = PfnRuns.of(run for buffer in self.buffers for run in buffer.frames().runs)
        block = self._fullest_block(mapped)
        lead = chance.uniform(-_LEAD, _LEAD)

        def run(deadline: float) -> End:
            pin = begin_pin() if lead > 0 else None
            time.sleep(max(lead, 0))
            job = self.guest.control.start(offline_command(block.index))
            time.sleep(max(-lead, 0))
            pin = pin or begin_pin()
            done = self.guest.control.wait(job, deadline)
            with contextlib.suppress(PinRefused):
                pin()
            return _end_of_offline(block.index, done)

        return self._observe("sysfs offline", None, run)

    def counters(self) -> Counters:
        """The node's counters now."""
        return read_counters(self.guest.control, self.node)

    def pages_of(self, buffer: Buffer) -> int:
        """How many pages of a buffer lie in this memory, by pagemap."""
        return buffer.frames().inside(self.frames)

    def _online_blocks(self) -> tuple[MemoryBlock, ...]:
        """The node's online blocks in this memory's zone."""
        blocks = read_blocks(self.guest.control)
        return tuple(b for b in blocks if b.node == self.node and b.zone == self.zone)

    def _fullest_block(self, frames: PfnRuns) -> MemoryBlock:
        """Its block that holds most of `frames`."""
        return max(self.blocks, key=lambda block: block.frames.inside(frames))

    def _observe(self, mechanism: str, given: float | None, remove: Mechanism) -> Removal:
        deadline = given or self.deadline
        before = self.counters()
        start = time.monotonic()
        try:
            with self.guest.timeline.span(f"remove by {mechanism}", deadline):
                end = remove(deadline)
        except GuestDied as death:
            end = End(Outcome.GUEST_DIED, str(death))
        seconds = time.monotonic() - start
        pins = self.pins
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
            migrates_pins=migrates_pins(self.guest.control),
            remark=end.remark,
            reasons=self._reasons(),
        )
        self.guest.removals.append(removal)
        return removal

    def _offline(self, deadline: float) -> End:
        end = time.monotonic() + deadline
        for block in self.blocks:
            left = max(end - time.monotonic(), 0.1)
            done = self.guest.control.run(offline_command(block.index), left)
            ended = _end_of_offline(block.index, done)
            if ended.outcome is not Outcome.REMOVED:
                return ended
        online = {block.index for block in self._online_blocks()}
        if any(block.index in online for block in self.blocks):
            return End(Outcome.REFUSED, "the blocks are online after a successful offline")
        return End(Outcome.REMOVED)

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

    def _reasons(self) -> tuple[str, ...]:
        return parse_reasons(self.guest.dmesg(self._dmesg_start))

    def _indexes(self) -> set[int]:
        return {block.index for block in read_blocks(self.guest.control)}

    def _blocks_left(self) -> list[int]:
        """Numbers of its blocks that still exist, in order."""
        return sorted({block.index for block in self.blocks} & self._indexes())

    def _known_blocks(self) -> set[int]:
        """The memory blocks that are not this memory's: those that are there before it comes."""
        return self._indexes()

    def _await_online(self, known: set[int]) -> tuple[MemoryBlock, ...]:
        """The blocks once all are online; their node and zone are checked, not assumed."""
        new: tuple[MemoryBlock, ...] = ()

        def all_online() -> bool:
            nonlocal new
            new = tuple(b for b in read_blocks(self.guest.control) if b.index not in known)
            online = [block for block in new if block.state == "online"]
            return sum(block.frames.pages for block in online) * PAGE_BYTES >= self.size

        came = wait_until(all_online, ONLINE_DEADLINE, self.guest.check)
        wrong = [b for b in new if (b.node, b.zone) != (self.node, self.zone)]
        if came and not wrong:
            return new
        seen = ", ".join(f"memory{b.index} {b.state} node {b.node} {b.zone}" for b in wrong or new)
        raise HotremoveError(
            f"the plugged {self.size // MIB} MiB are not online in node {self.node}'s "
            f"zone {self.zone}: {seen or 'no new memory block'}"
        )


def _end_of_offline(index: int, done: Completed | None) -> End:
    """What came of the write of `offline` to a memory block's state; None: it did not end."""
    if done is None or done.ending == "deadline":
        return End(Outcome.STUCK, f"memory{index}")
    if not done.ok:
        return End(Outcome.REFUSED, f"memory{index}: {done.complaint}")
    return End(Outcome.REMOVED)
