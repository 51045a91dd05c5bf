# SPDX-License-Identifier: Apache-2.0
"""Memory that was plugged into a guest and can be asked back, whatever the mechanism."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from tenacity import retry, retry_if_exception_type, stop_after_attempt

from hotremove.errors import GuestDied, HotremoveError
from hotremove.guest.control import Completed
from hotremove.guest.longterm import migrates_pins
from hotremove.guest.machine import Guest
from hotremove.guest.memory_blocks import (
    count_pins,
    read_blocks,
    read_counters,
    read_zones,
    require_hot_remove,
)
from hotremove.memory.allocatable import PAGEBLOCK, require_allocatable
from hotremove.memory.arrival import (
    ONLINE_DEADLINE,
    Misplaced,
    find_misplaced,
    online_block,
    why_not_there,
)
from hotremove.memory.offline import offline_command
from hotremove.memory.outcome import Outcome
from hotremove.memory.page import frames_of_dump
from hotremove.memory.page_flags import count_pages
from hotremove.memory.placement import (
    LiesElsewhere,
    require_alike,
    require_in_part,
    require_placed,
    require_spilled,
)
from hotremove.memory.race import Pace, choose_start, have_met, pace_of
from hotremove.memory.removal import Removal, references_lost
from hotremove.memory.write import parse_write
from hotremove.observe.counters import Counters, find_zone
from hotremove.observe.kernellog.reasons import parse_reasons
from hotremove.observe.pagedump import PageDump, parse_dumps
from hotremove.observe.pageflags import POISONED
from hotremove.observe.pagemap import PAGE_BYTES, MemoryBlock, PfnRuns, frames_of
from hotremove.observe.span import Span
from hotremove.pins.buffer import Buffer
from hotremove.pins.holder import PinRefused
from hotremove.pins.pin import Pin
from hotremove.units import MIB
from hotremove.virt.polling import wait_until

# Seconds a removal is given. Fixed kernels need 0.05 to 0.4; the kernel itself never gives up.
DEADLINE = 30.0


@dataclass(frozen=True)
class End:
    """How a mechanism ended, before the evidence is gathered.

    `span` is when, in the guest's own time, where the mechanism tells; `raced` whether what was to
    happen meanwhile did.
    """

    outcome: Outcome
    remark: str = ""
    span: Span | None = None
    raced: bool = False


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
        removals: what was tried so far to remove it, in order.
        zone: the zone its blocks are in, as sysfs names it.
        policy: what to write to a block's `state` to put it there.
        told_where: whether the kernel is told where the memory goes, by firmware and `policy`.
        dump_deadline: seconds a stuck removal is given, beyond its deadline, to print the page that
            blocks it: the kernel does so once a round, and a round can take long on a busy machine.
    """

    dump_deadline = 20.0
    zone = "Movable"
    policy = "online_movable"
    told_where = True

    def __init__(
        self,
        guest: Guest,
        node: int,
        mib: int,
        plug: Callable[[], None],
        deadline: float,
        removals: list[Removal] | None = None,
    ) -> None:
        """Call `plug` and wait until the kernel has onlined all of `mib` MiB in its zone.

        Each attempt to remove it is added to `removals`, where several memories of one test may
        have theirs.

        Raises:
            CapabilityAbsent: the kernel cannot plug or remove memory.
            Misplaced: the kernel put the memory elsewhere than it was told.
            OnlineRefused: the kernel refuses to online it.
            HotremoveError: the memory did not come, or nobody knows whose fault it is.
        """
        require_hot_remove(guest.control)
        self.guest = guest
        self.node = node
        self.size = mib * MIB
        self.deadline = deadline
        self.buffers: list[Buffer] = []
        self.removals: list[Removal] = [] if removals is None else removals
        self._arrive(plug)
        self._pace = Pace()
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
        policy: str = "",
        by_process: bool = False,
    ) -> Buffer:
        """Map `size` bytes on its node, or with `spill` elsewhere too; see `Buffer` for the words.

        Pages that are `faulted` exist before any pin, and are bound to the node. Those that are not
        prefer it: a pin that must not use ZONE_MOVABLE has to find them elsewhere, and a bound
        range would leave it only what little other memory the node has. The `policy` of the
        mapping overrides that: `bind` to the node, or `interleave` between all nodes.

        Raises:
            HotremoveError: pages that were to be there lie elsewhere.
            NotApplicable: the kernel gives no transparent huge pages for the kind `thp`.
        """
        buffer = Buffer(
            self.guest,
            size,
            self.node,
            kind,
            faulted,
            read_only,
            prefer=not policy and (spill or not faulted),
            file=file,
            cpu=cpu,
            interleave=policy == "interleave",
            by_process=by_process,
        )
        if spill:
            require_spilled(buffer, self.frames)
        elif policy == "interleave" and faulted:
            require_in_part(buffer, self.frames)
        else:
            require_placed(buffer, self.frames, faulted)
        self.buffers.append(buffer)
        return buffer

    def share(self, size: int, holders: int = 2) -> tuple[Buffer, ...]:
        """Map the same `size` bytes on its node in several processes."""
        file = f"/run/shared{len(self.buffers)}"
        buffers = tuple(self.map(size, "file", file=file) for _ in range(holders))
        require_alike(buffers)
        return buffers

    def move_every_other(self, buffer: Buffer, to_node: int, size: int) -> None:
        """Move every other `size` bytes of a buffer to a node, and leave the rest here.

        Raises:
            HotremoveError: not half of it lies here, and half elsewhere.
        """
        for offset in range(0, buffer.size, 2 * size):
            buffer.move(to_node, offset, size)
        inside = buffer.frames().inside(self.frames)
        if 2 * inside * PAGE_BYTES != buffer.size:
            raise HotremoveError(f"{inside} pages of {buffer} lie here, half of them should")

    def renew(self, *buffers: Buffer) -> None:
        """Have buffers that were pinned made of new pages, which lie in this memory again.

        Where holders share the memory, each takes it from the others; so none has it pinned by
        then, and all look at it at the end.

        Raises:
            LiesElsewhere: pages came from elsewhere, and did again.
        """
        for buffer in buffers:
            if buffer.pins:
                buffer.unpin()
        self._renew(*buffers)

    # One page of 8,192 lay elsewhere in 2 of 160 renewals (7.3.4); nobody knows why.
    @retry(retry=retry_if_exception_type(LiesElsewhere), stop=stop_after_attempt(3), reraise=True)
    def _renew(self, *buffers: Buffer) -> None:
        for buffer in buffers:
            buffer.renew()
        for buffer in buffers:
            buffer.touch()
            require_placed(buffer, self.frames)

    def online(self) -> None:
        """Online its offline blocks again, in their zone.

        Raises:
            OnlineRefused: the kernel refuses one.
            Misplaced: the kernel put one elsewhere.
        """
        __tracebackhide__ = True
        with self.guest.timeline.span("online", ONLINE_DEADLINE):
            for block in self._blocks_now():
                if block.state != "online":
                    online_block(self.guest.control, block.index, self.policy)
        if wrong := find_misplaced(self._blocks_now(), self.node, self.zone):
            raise Misplaced(self._arrived(wrong))

    def expect_allocatable(self) -> None:
        """Require that all of its online blocks can be allocated, by mapping all that is free.

        What is mapped on it already is taken as it is.

        Raises:
            NotAllocatable: pageblocks of a block give no page, as isolated ones do.
        """
        __tracebackhide__ = True
        zone = find_zone(read_zones(self.guest.control), self.node, self.zone)
        size = max(1, zone.free // PAGEBLOCK) * PAGEBLOCK * PAGE_BYTES
        rest = Buffer(self.guest, size, self.node, "thp", prefer=True)
        mapped = [buffer for buffer in (*self.buffers, rest) if buffer.running]
        used = PfnRuns.of(run for buffer in mapped for run in buffer.frames().runs)
        rest.close()
        require_allocatable((b for b in self._blocks_now() if b.state == "online"), used)

    def offline(self, deadline: float | None = None) -> Removal:
        """Offline its blocks one by one through sysfs; a child that is killed at the deadline."""
        return self._observe("sysfs offline", deadline, self._offline)

    def offline_in_part(self, blocks: int) -> Removal:
        """As `offline`, of the so many blocks only that hold most of what is mapped on it."""
        mapped = PfnRuns.of(run for buffer in self.buffers for run in buffer.frames().runs)
        fullest = sorted(self.blocks, key=lambda b: b.frames.inside(mapped), reverse=True)
        some = tuple(fullest[:blocks])
        return self._observe("sysfs offline", None, lambda given: self._offline_each(some, given))

    @property
    def pins(self) -> tuple[Pin, ...]:
        """What is held of the memory mapped on it."""
        return tuple(pin for buffer in self.buffers for pin in buffer.pins)

    def race(self, begin_pin: Callable[[], Callable[[], Pin]], rng: Random) -> Removal:
        """Offline the block that holds most of what is mapped, while a pin is taken.

        `begin_pin` begins it and gives what waits for it. Chance decides which of the two begins,
        and how much later the other does. A pin may be refused; what a refused one held is free.
        The removal's `raced` tells whether the two were under way at a time.
        """
        mapped = PfnRuns.of(run for buffer in self.buffers for run in buffer.frames().runs)
        block = self._fullest_block(mapped)
        start = choose_start(rng, self._pace)

        def run(deadline: float) -> End:
            pin = None if start.offline_first else begin_pin()
            time.sleep(start.before_offline)
            job = self.guest.control.start(offline_command(block.index))
            time.sleep(start.before_pin)
            pin = pin or begin_pin()
            end = _end_of_offline(block.index, self.guest.control.wait(job, deadline))
            pinned = _span_of(pin)
            self._pace = pace_of(end.span, pinned, self._pace)
            return replace(end, raced=have_met(end.span, pinned))

        return self._observe("sysfs offline", None, run, steady=False)

    def counters(self) -> Counters:
        """The node's counters now."""
        return read_counters(self.guest.control, self.node)

    def _blocks_now(self) -> tuple[MemoryBlock, ...]:
        """Those of its blocks that exist, as they are now."""
        mine = {block.index for block in self.blocks}
        return tuple(b for b in read_blocks(self.guest.control) if b.index in mine)

    def _fullest_block(self, frames: PfnRuns) -> MemoryBlock:
        """Its block that holds most of `frames`."""
        return max(self.blocks, key=lambda block: block.frames.inside(frames))

    def _observe(
        self, mechanism: str, given: float | None, remove: Mechanism, steady: bool = True
    ) -> Removal:
        """Remove by a mechanism and gather what is to be seen; `steady`: nobody unpins meanwhile.

        Raises:
            GuestLost: a holder ended meanwhile, and its pins with it.
        """
        deadline = given or self.deadline
        self._dmesg_start = self.guest.evidence.size()  # what an earlier attempt left says no more
        with self.guest.timeline.span("look at the memory before"):
            before, pinned = self.counters(), count_pins(self.guest.control)
        start = time.monotonic()
        try:
            with self.guest.timeline.span(f"remove by {mechanism}", deadline):
                end = remove(deadline)
        except GuestDied as death:
            end = End(Outcome.GUEST_DIED, str(death))
        seconds = time.monotonic() - start
        with self.guest.timeline.span("look at the memory after"):
            self._await_dump(end)
            dumps = self._dumps()
            removal = Removal(
                mechanism=mechanism,
                outcome=end.outcome,
                seconds=seconds,
                deadline=deadline,
                node=self.node,
                frames=self.frames,
                pins=self.pins,
                before=before,
                after=self._counters_after(before),
                dumps=dumps,
                migrates_pins=migrates_pins(self.guest.control),
                remark=end.remark,
                reasons=self._reasons(),
                zone=self.zone,
                lost_pins=self._lost_pins(end, pinned, steady),
                raced=end.raced,
                poisoned=self._count_poisoned(end) if not dumps else 0,
            )
        self.removals.append(removal)
        return removal

    def _is_held_for_good(self) -> bool:
        """Whether the kernel has named a page of a long-term pin, which stays until it is let go.

        Nothing is asked of the guest: what has come out of its log is enough to look again.
        """
        held = PfnRuns.of(run for pin in self.pins if pin.long_term for run in pin.frames.runs)
        named = self._named(self.guest.evidence.text(self._dmesg_start))
        return any(frames_of_dump(dump) & held for dump in named)

    def _await_dump(self, end: End) -> None:
        """Give a kernel that is stuck time to print the page; a pinned one, if any is inside."""
        if end.outcome is not Outcome.STUCK or not self.pins:
            return
        pinned = PfnRuns.of(run for pin in self.pins for run in pin.frames.runs) & self.frames

        def printed() -> bool:
            dumps = self._dumps()
            return any(not pinned or frames_of_dump(dump) & pinned for dump in dumps)

        wait_until(printed, self.dump_deadline, self.guest.check)

    def _count_poisoned(self, end: End) -> int:
        """Pages of stuck memory that are marked as poisoned; 0 where the kernel does not say."""
        if end.outcome is not Outcome.STUCK:
            return 0
        try:
            return count_pages(self.guest.control, self._blocks_now(), POISONED)
        except (HotremoveError, OSError):
            return 0

    def _lost_pins(self, end: End, before: int, steady: bool) -> int:
        """How many page references of pins (FOLL_PIN) are gone that should still be held.

        Where others pin and unpin, those of `before` are not held for long.

        Raises:
            GuestLost: a holder ended.
        """
        if end.outcome is not Outcome.REMOVED:
            return 0
        for buffer in self.buffers:
            if buffer.pins:
                buffer.require_running()
        pages = sum(pin.counted_pages for pin in self.pins)
        held = max(pages, before) if steady else pages
        return references_lost(held, count_pins(self.guest.control), steady=steady)

    def _offline(self, deadline: float) -> End:
        return self._offline_each(self.blocks, deadline)

    def _offline_each(self, blocks: tuple[MemoryBlock, ...], deadline: float) -> End:
        end = time.monotonic() + deadline
        for block in blocks:
            left = max(end - time.monotonic(), 0.1)
            done = self.guest.control.run(offline_command(block.index), left)
            ended = _end_of_offline(block.index, done)
            if ended.outcome is not Outcome.REMOVED:
                return ended
        taken = {block.index for block in blocks}
        now = (block for block in self._blocks_now() if block.index in taken)
        if back := [block for block in now if block.state != "offline"]:
            told = ", ".join(f"memory{b.index} {b.state} {b.zone or ''}".strip() for b in back)
            return End(Outcome.REFUSED, f"after a successful offline there are: {told}")
        return End(Outcome.REMOVED)

    def _counters_after(self, before: Counters) -> Counters:
        try:
            return self.counters()
        except (HotremoveError, OSError):
            return before

    def _dumps(self) -> tuple[PageDump, ...]:
        return self._named(self.guest.dmesg(self._dmesg_start))

    def _named(self, log: str) -> tuple[PageDump, ...]:
        """The dumps in some of the kernel's messages that are of its own pages."""
        dumps = parse_dumps(log.splitlines())
        return tuple(dump for dump in dumps if dump.pfn is not None and dump.pfn in self.frames)

    def _reasons(self) -> tuple[str, ...]:
        return parse_reasons(self.guest.dmesg(self._dmesg_start))

    def _arrive(self, plug: Callable[[], None]) -> None:
        """Plug it, and learn which memory blocks it has once all are online."""
        known = self._known_blocks()
        with self.guest.timeline.span(f"plug {self.size // MIB} MiB"):
            plug()
        with self.guest.timeline.span("online", ONLINE_DEADLINE):
            self.blocks = self._await_online(known)
        self.frames: PfnRuns = frames_of(self.blocks)

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
        wrong = find_misplaced(new, self.node, self.zone)
        if came and not wrong:
            return new
        seen = self._arrived(wrong or new)
        if not self._is_kernels_choice(wrong):
            raise HotremoveError(seen)
        raise why_not_there(self.guest.control, seen, wrong, self.policy)

    def _is_kernels_choice(self, wrong: tuple[MemoryBlock, ...]) -> bool:
        """Whether the kernel was told where the blocks go.

        Of a node without boot memory it may not know before memory comes to it.
        """
        if not self.told_where:
            return False
        booted = self.guest.plan.topology.nodes[self.node].mib > 0
        return booted or all(block.node == self.node for block in wrong)

    def _arrived(self, blocks: tuple[MemoryBlock, ...]) -> str:
        """Where blocks are, against where they should be."""
        seen = ", ".join(f"memory{b.index} {b.state} node {b.node} {b.zone}" for b in blocks)
        return (
            f"the plugged {self.size // MIB} MiB are not online in node {self.node}'s "
            f"zone {self.zone}: {seen or 'no new memory block'}"
        )


def _span_of(finish: Callable[[], Pin]) -> Span | None:
    """When a pin was taken; None if it was refused."""
    try:
        return finish().span
    except PinRefused:
        return None


def _end_of_offline(index: int, done: Completed | None) -> End:
    """What came of the write of `offline` to a memory block's state; None: it did not end.

    Raises:
        GuestLost: the program ended without an answer of the kernel.
    """
    if done is None or done.ending == "deadline":
        return End(Outcome.STUCK, f"memory{index}")
    written = parse_write(done)
    if written.error:
        return End(Outcome.REFUSED, f"memory{index}: {written}", written.span)
    return End(Outcome.REMOVED, span=written.span)
