# SPDX-License-Identifier: Apache-2.0
"""A DIMM on the movable node: plugged, onlined movable, asked back."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from hotremove.errors import GuestDied, HotremoveError
from hotremove.guest.machine import Guest
from hotremove.guest.polling import wait_until
from hotremove.memory.blocks import (
    read_blocks,
    read_counters,
    read_node_memory,
    read_zones,
    require_hot_remove,
)
from hotremove.memory.offline import Offline, offline_command
from hotremove.observe.counters import Counters, find_zone
from hotremove.observe.pagedump import PageDump, parse_dumps
from hotremove.observe.pagemap import MemoryBlock, PfnRuns, frames_of
from hotremove.pins.buffer import Buffer
from hotremove.verdict.outcome import Outcome
from hotremove.verdict.removal import Removal

MIB = 1 << 20
# Seconds a removal is given. Fixed kernels need 0.05 to 0.4; the kernel itself never gives up.
DEADLINE = 30.0
# Seconds from plugging to online: below 1 under TCG.
ONLINE_DEADLINE = 30.0
_EVENT_FORMAT = "/sys/kernel/tracing/events/migrate/mm_migrate_pages/format"
_ACPI = re.compile(r"acpi \S+: (.*)|memory memory\d+: (.*)")


@dataclass(frozen=True)
class _End:
    """How a mechanism ended, before the evidence is gathered."""

    outcome: Outcome
    remark: str = ""


_Mechanism = Callable[[float], _End]


class Dimm:
    """Hot-plugged memory on one node.

    Attributes:
        guest: where it is plugged.
        node: its NUMA node.
        size: bytes.
        alias: its name for libvirt.
        blocks: its memory blocks, as they were when it came online.
        buffers: memory mapped on it through `map`.
    """

    def __init__(
        self,
        guest: Guest,
        node: int,
        mib: int,
        deadline: float = DEADLINE,
        alias: str = "ua-dimm0",
    ) -> None:
        """Plug `mib` MiB and wait until the kernel has onlined all of it in ZONE_MOVABLE.

        `deadline` is how many seconds a removal is given when it names none.

        Raises:
            CapabilityAbsent: the kernel cannot plug or remove memory.
            HotremoveError: the memory came up elsewhere, or not at all.
        """
        require_hot_remove(guest.control)
        self.guest = guest
        self.node = node
        self.size = mib * MIB
        self.deadline = deadline
        self.alias = alias
        self.buffers: list[Buffer] = []
        self._asked = False
        known = {block.index for block in read_blocks(guest.control)}
        with guest.timeline.span(f"plug {mib} MiB"):
            guest.plug_dimm(alias, mib, node)
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
        """Map `size` bytes on the DIMM's node.

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
        """How many pages of a buffer lie in this DIMM's ZONE_MOVABLE, by pagemap."""
        return buffer.frames().inside(self.frames)

    def movable_blocks(self) -> tuple[MemoryBlock, ...]:
        """The node's online blocks in ZONE_MOVABLE."""
        blocks = read_blocks(self.guest.control)
        return tuple(b for b in blocks if b.node == self.node and b.zone == "Movable")

    def eject(self, deadline: float | None = None) -> Removal:
        """Ask for the DIMM by ACPI eject, as an administrator's libvirt does."""
        return self._observe("ACPI eject", deadline, self._eject)

    def offline(self, deadline: float | None = None) -> Removal:
        """Offline its blocks one by one through sysfs; a child that is killed at the deadline."""
        return self._observe("sysfs offline", deadline, self._offline)

    def start_offline_of_pinned_block(self) -> Offline:
        """Begin to offline, in the background, the block that holds most pages of the pins."""
        pinned = PfnRuns.of(
            run for buffer in self.buffers for pin in buffer.pins for run in pin.frames.runs
        )
        block = max(self.blocks, key=lambda block: block.frames.inside(pinned))
        return Offline(self.guest, block, self.node, self.counters())

    def expect_gone(self) -> None:
        """Require that nothing of the DIMM is left: no memory block, no present page.

        Raises:
            AssertionError: with what is left.
        """
        __tracebackhide__ = True
        left = sorted({block.index for block in self.blocks} & self._indexes())
        assert not left, f"memory blocks {left} of the removed DIMM are still there"
        zone = find_zone(read_zones(self.guest.control), self.node, "Movable")
        assert zone.present == 0, f"node {self.node}'s ZONE_MOVABLE still has {zone.present} pages"
        total = read_node_memory(self.guest.control, self.node)
        boot = self.guest.plan.topology.nodes[self.node].mib * MIB
        assert total <= boot, f"node {self.node} has {total} bytes, more than it booted with"

    def _eject(self, deadline: float) -> _End:
        if not self._asked:
            # A request stays with the guest until it is answered; a second one would be refused.
            self.guest.request_removal(self.alias)
        self._asked = True
        event = self.guest.wait_for_removal(self.alias, deadline)
        if event is None:
            return _End(Outcome.STUCK)
        self._asked = False
        if event.kind == "refused":
            return _End(Outcome.REFUSED, self._acpi_message())
        left = {block.index for block in self.blocks} & self._indexes()
        if left:
            return _End(Outcome.REFUSED, f"DEVICE_REMOVED came, but blocks {sorted(left)} exist")
        return _End(Outcome.REMOVED)

    def _offline(self, deadline: float) -> _End:
        end = time.monotonic() + deadline
        for block in self.blocks:
            left = max(end - time.monotonic(), 0.1)
            done = self.guest.control.run(offline_command(block.index), left)
            if done.ending == "deadline":
                return _End(Outcome.STUCK, f"memory{block.index}")
            if not done.ok:
                said = done.stderr.decode(errors="replace").strip()
                return _End(Outcome.REFUSED, f"memory{block.index}: {said}")
        online = {block.index for block in self.movable_blocks()}
        if any(block.index in online for block in self.blocks):
            return _End(Outcome.REFUSED, "the blocks are online after a successful offline")
        return _End(Outcome.REMOVED)

    def _observe(self, mechanism: str, given: float | None, remove: _Mechanism) -> Removal:
        deadline = given or self.deadline
        before = self.counters()
        pins = tuple(pin for buffer in self.buffers for pin in buffer.pins)
        start = time.monotonic()
        try:
            with self.guest.timeline.span(f"remove by {mechanism}"):
                end = remove(deadline)
        except GuestDied as death:
            end = _End(Outcome.GUEST_DIED, str(death))
        seconds = time.monotonic() - start
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

    def _acpi_message(self) -> str:
        lines = self.guest.dmesg(self._dmesg_start).splitlines()
        said = [line.partition(";")[2] for line in lines if _ACPI.search(line)]
        return said[-1] if said else "the guest gave no reason"

    def _indexes(self) -> set[int]:
        return {block.index for block in read_blocks(self.guest.control)}

    def _await_online(self, known: set[int]) -> tuple[MemoryBlock, ...]:
        """The DIMM's blocks once all are online; their node and zone are checked, not assumed."""
        new: tuple[MemoryBlock, ...] = ()

        def all_online() -> bool:
            nonlocal new
            new = tuple(b for b in read_blocks(self.guest.control) if b.index not in known)
            online = [block for block in new if block.state == "online"]
            return sum(block.frames.pages for block in online) * 4096 >= self.size

        came = wait_until(all_online, ONLINE_DEADLINE, self.guest.check)
        wrong = [b for b in new if (b.node, b.zone) != (self.node, "Movable")]
        if came and not wrong:
            return new
        seen = ", ".join(f"memory{b.index} {b.state} node {b.node} {b.zone}" for b in wrong or new)
        raise HotremoveError(
            f"the DIMM of {self.size // MIB} MiB is not online in node {self.node}'s "
            f"ZONE_MOVABLE: {seen or 'no new memory block'}"
        )
