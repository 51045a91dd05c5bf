# SPDX-License-Identifier: Apache-2.0
"""A range of memory mapped by a process of the guest, which can be pinned."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from hotremove.errors import GuestLost, HotremoveError, NotApplicable
from hotremove.guest.capability import refusal
from hotremove.guest.machine import Guest
from hotremove.kernels.capabilities import find
from hotremove.lineage.release import parse
from hotremove.observe.counters import Counters, parse_meminfo
from hotremove.observe.pageflags import (
    FlagRun,
    count_flagged,
    count_lock_pending,
    count_locked,
    count_off_list,
    count_zero_pages,
)
from hotremove.observe.pagemap import PAGE_BYTES, PfnRuns
from hotremove.pins.data import DataLost, require_exchanged, require_marks
from hotremove.pins.holder import Holder, HolderStuck, PinRefused
from hotremove.pins.pin import Pin

# How often pages are locked until some wait in a batch: whatever ends on the CPU works it off.
_LOCK_TRIES = 10


# The first release seen in which moving pages between nodes is an option (mm/Kconfig); its absence
# in an older configuration says nothing.
_OPTIONAL = (7, 2, 0)

# Kinds of memory whose pages belong to a file and outlive the mapping.
_FILES = ("shmem", "memfd", "file")


@dataclass(frozen=True)
class PinnedRun:
    """Pinned pages that follow each other and are alike.

    Attributes:
        pfn: the first page's frame.
        count: how many pages.
        node: their NUMA node.
        zone: their zone, `Movable`.
        order: of the folios they belong to, as a power of two.
    """

    pfn: int
    count: int
    node: int
    zone: str
    order: int


class Buffer:
    """Memory held by a holder process (guests/workloads/holder.c).

    Attributes:
        holder: the process that has it mapped, and keeps what pins it.
        node: the node it is bound to, if any.
        size: bytes mapped.
        kind: `anon`, `thp`, `mthp`, `hugetlb2m`, `hugetlb1g`, `shmem`, `memfd`, `secret` or `file`.
        read_only: pins of it only read.
        file: what it maps, for the kind `file`.
        pins: pins taken and not released.
        locked: bytes that the holder has locked by mlock(2).
    """

    def __init__(
        self,
        guest: Guest,
        size: int,
        node: int | None = None,
        kind: str = "anon",
        faulted: bool = True,
        read_only: bool = False,
        prefer: bool = False,
        file: str | None = None,
        cpu: int | None = None,
        interleave: bool = False,
        by_process: bool = False,
    ) -> None:
        """Map `size` bytes bound to `node`, or only preferring it.

        `file` is what the kind `file` maps, `cpu` is the only CPU that the holder runs on. With
        `interleave` pages come in turn from all nodes up to `node`; `by_process` has what the
        kernel allocates for the holder come from `node` too.

        Raises:
            PinRefused: the kernel does not give the memory.
        """
        words = ["--memory", kind, "--bytes", str(size)]
        words += ["--node", str(node)] if node is not None else []
        words += ["--file", file] if file is not None else []
        words += ["--prefer"] if prefer else []
        words += ["--interleave"] if interleave else []
        words += ["--process"] if by_process else []
        words += ["--faulted"] if faulted else []
        words += ["--cpu", str(cpu)] if cpu is not None else []
        words += ["--read-only"] if read_only else []
        self.guest = guest
        self.size = size
        self.node = node
        self.kind = kind
        self.read_only = read_only
        self.file = file
        self.pins: list[Pin] = []
        self.locked = 0
        with guest.timeline.span(f"map {size >> 20} MiB"):
            self.holder = Holder(guest, words, self.what, size)
        guest.holders.append(self)

    def check_data(self) -> None:
        """Require that its data are as they were written, by whoever uses its pins too.

        What the processor wrote as it faulted the pages in has to be there still. Then words go
        from the processor to the user of each pin and back, for some of its pages, and are put back
        (docs/scenarios.md, "Data in every row").

        Raises:
            DataLost: with what is not as it was written.
            PinRefused: who uses the pin refuses to move the data.
        """
        __tracebackhide__ = True
        require_marks(self.holder.ask("marks"), str(self))
        if self.pins:
            require_exchanged(self.holder.ask("exchange"), str(self))

    def unpin(self) -> None:
        """Release every pin of this holder, once its data were seen to be whole.

        Raises:
            DataLost: they are not; see `check_data`.
        """
        __tracebackhide__ = True
        self.check_data()
        with self.guest.timeline.span("unpin"):
            self.holder.ask("unpin")
        self.pins.clear()

    def frames(self, offset: int = 0, size: int = 0) -> PfnRuns:
        """The page frames of `size` bytes (0: to the end) as they are now, from pagemap."""
        return self.look_up(offset, size)[0]

    def look_up(self, offset: int = 0, size: int = 0) -> tuple[PfnRuns, int]:
        """As `frames`, and how many pages are not in the page table."""
        part = f" offset={offset}" + (f" bytes={size}" if size else "")
        answer = self.holder.ask(f"pages{part}")
        return PfnRuns.of(answer["runs"]), int(answer["absent"])

    def touch(self, every: int = 1) -> None:
        """Read each page, or one page of `every` so many."""
        self.holder.ask("touch" if every == 1 else f"touch {every}")

    def flags(self) -> list[FlagRun]:
        """The flags of its present pages, from /proc/kpageflags."""
        return [(flags, count) for flags, count in self.holder.ask("flags")["runs"]]

    def pages_with(self, flag: int) -> int:
        """How many of its present pages have a flag, one of hotremove.observe.pageflags."""
        return count_flagged(self.flags(), flag)

    def write_protected_pages(self) -> int:
        """How many of its pages userfaultfd write-protects, from pagemap."""
        return int(self.holder.ask("pages")["write_protected"])

    def expect_write_protected(self) -> None:
        """Require that userfaultfd write-protects each of its pages.

        Raises:
            AssertionError: with how many it does.
        """
        __tracebackhide__ = True
        seen, wanted = self.write_protected_pages(), self.size // PAGE_BYTES
        assert seen == wanted, f"{seen} pages of {self} are write-protected, of {wanted}"

    def fault(self) -> None:
        """Write to each page."""
        self.holder.ask("fault")

    def advise(self, advice: str, offset: int = 0, size: int = 0) -> None:
        """madvise(2) a part: `dontneed` and `remove` (of a file) give its pages back.

        Raises:
            PinRefused: madvise's errno.
        """
        part = f" offset={offset}" + (f" bytes={size}" if size else "")
        self.holder.ask(f"advise {advice}{part}")

    def lock(self) -> None:
        """Lock its pages, which are there (mlock)."""
        self.holder.ask("mlock")
        self.locked = self.size

    def lock_on_fault(self) -> None:
        """Give its pages back, and have new ones locked as they are faulted in (MLOCK_ONFAULT).

        Raises:
            NotApplicable: the kernel locks none of them, as before 5.18 with pages of files, which
                are locked when reclaim comes upon them (mm/rmap.c, try_to_unmap_one()).
        """
        self.holder.ask("lock")
        self.locked = self.size
        if not count_locked(self.flags()):
            raise NotApplicable(f"no page of {self} is locked as it is faulted in")

    def remap(self) -> None:
        """Map its pages at other addresses (mremap)."""
        self.holder.ask("remap")

    def swapped_pages(self) -> int:
        """How many of its pages the page table says are elsewhere: in swap, or a device's."""
        return int(self.holder.ask("pages")["swapped"])

    def take_by_device(self, how: str) -> None:
        """Have a device without hardware take its pages, `private` or `exclusive`.

        Raises:
            PinRefused: the device's errno.
        """
        self.holder.ask(f"device {how}")

    def write_protect(self) -> None:
        """Write-protect it by userfaultfd; who writes to it waits for ever.

        Raises:
            PinRefused: the kernel cannot.
        """
        self.holder.ask("write-protect")

    def end(self, how: str) -> None:
        """Have the holder end without an unpin: it `exits`, `is killed`, or `execs` a program."""
        ends = {"exits": self.close, "is killed": self.holder.kill, "execs": self._exec}
        ends[how]()
        self.pins.clear()

    def leave_to_another(self) -> Survivor:
        """Kill the holder, whose memory and files another process has as well by then.

        Raises:
            GuestLost: the other process has ended too, which nobody asked it to.
        """
        survivor = Survivor(self.guest, int(self.holder.ask("share-mm")["pid"]))
        self.end("is killed")
        survivor.require_running()
        return survivor

    def _exec(self) -> None:
        self.holder.ask("exec")

    def renew(self) -> None:
        """Give its pages back, pins of this holder first, and have new ones in their place."""
        if self.pins:
            self.unpin()
        self.advise("remove" if self.kind in _FILES else "dontneed")
        self.fault()

    def move(self, node: int, offset: int = 0, size: int = 0) -> None:
        """Move `size` bytes (0: to the end) to a node; that part is bound to it from now on.

        Raises:
            CapabilityAbsent: the kernel was built without the moving of pages between nodes.
            PinRefused: mbind's errno.
        """
        try:
            self.holder.ask(_about("move", node, offset, size))
        except PinRefused as refused:
            if (
                refused.errno != errno.EIO
                or parse(self.guest.plan.image.kernel.version) < _OPTIONAL
            ):
                raise
            raise refusal(self.guest, find("pages moved by mbind()"), str(refused)) from refused

    def forbid(self, offset: int) -> None:
        """Take all access to the end of it away, so that a pin of the whole fails midway."""
        self.holder.ask(f"forbid offset={offset}")

    def fill(self, seed: int, offset: int = 0, size: int = 0) -> None:
        """Write the pattern `seed`, by the processor, to `size` bytes (0: to the end)."""
        self.holder.ask(_about("fill", seed, offset, size))

    def mismatches(self, seed: int, offset: int = 0, size: int = 0) -> int:
        """Bytes that the processor finds different from the pattern `seed`."""
        return int(self.holder.ask(_about("verify", seed, offset, size))["mismatches"])

    def expect_written(self, seed: int) -> None:
        """Require that all of it is the pattern `seed`, by what the processor finds.

        Raises:
            DataLost: with how many bytes are not.
        """
        __tracebackhide__ = True
        if wrong := self.mismatches(seed):
            raise DataLost(f"{wrong} of {self.size} bytes of {self} are not as written")

    def device_fill(self, seed: int, offset: int = 0, size: int = 0) -> None:
        """As `fill`, by the device that holds the last pin.

        Raises:
            PinRefused: the device refuses or does not end; `errno` and the call are its own.
        """
        self.holder.ask(_about("dma-fill", seed, offset, size))

    def device_mismatches(self, seed: int, offset: int = 0, size: int = 0) -> int:
        """As `mismatches`, of what the device that holds the last pin reads."""
        return int(self.holder.ask(_about("dma-verify", seed, offset, size))["mismatches"])

    def expect_device_reads(self, seed: int) -> None:
        """Require that the device that holds the last pin reads the pattern `seed`.

        Raises:
            AssertionError: with how many bytes are other.
        """
        __tracebackhide__ = True
        wrong = self.device_mismatches(seed)
        assert not wrong, f"{wrong} bytes of {self} are not as written, by what the device reads"

    def pinned_runs(self) -> tuple[PinnedRun, ...]:
        """Where the pages of the last pin lie; the module pin_hold tells, not the page table.

        Raises:
            PinRefused: it was not made by that module.
        """
        return tuple(PinnedRun(*run) for run in self.holder.ask("report")["runs"])

    def largest_order(self) -> int:
        """The order, as a power of two, of the largest folio in the last pin."""
        return max(run.order for run in self.pinned_runs())

    def stale_pages(self) -> int:
        """Pages of the last pin that the memory is not made of any more: nobody sees them."""
        pinned = PfnRuns.of((run.pfn, run.count) for run in self.pinned_runs())
        return (pinned - self.frames()).pages

    def fork(self) -> Child:
        """Give the holder a child, which shares the memory as fork does."""
        return Child(self, int(self.holder.ask("fork")["pid"]))

    def move_to_cpu(self, cpu: int) -> None:
        """Let the holder run on another CPU only.

        It moves by itself: a program that ends on the CPU it leaves would work off what waits there
        (mm/mmap.c, exit_mmap()).
        """
        self.holder.ask(f"cpu {cpu}")

    def lock_and_move(self, here: int, there: int) -> None:
        """On one CPU, lock its pages as they are faulted in anew (MLOCK_ONFAULT); then move.

        The pages are a file's, so that they are on an LRU list when they are locked. They have to
        wait in the first CPU's batch when the holder has moved; anything that ends on that CPU
        meanwhile works the batch off, and it is tried again.

        Raises:
            NotApplicable: the kernel locks them at once, or only when it comes upon them.
            HotremoveError: they are on no LRU list, as the row needs them.
        """
        flags: list[FlagRun] = []
        for _ in range(_LOCK_TRIES):
            self.move_to_cpu(here)
            self.holder.ask("lock")
            self.locked = self.size
            self.move_to_cpu(there)
            flags = self.holder.ask("flags")["runs"]
            if count_lock_pending(flags):
                return
        if off := count_off_list(flags):
            raise HotremoveError(f"{off} pages of {self} are being locked, but are on no LRU list")
        raise NotApplicable(
            f"no page waits in a CPU's batch to be locked, by {_LOCK_TRIES} tries: "
            f"{count_locked(flags)} of {self.size // PAGE_BYTES} are locked"
        )

    def status(self) -> Counters:
        """The holder's /proc/PID/status sizes in bytes: VmPin, VmLck, VmRSS."""
        text = self.guest.control.read(f"/proc/{self.pid}/status")
        sizes = [line.split() for line in text.splitlines() if line.endswith(" kB")]
        return Counters({name.rstrip(":"): int(size) * 1024 for name, size, _ in sizes})

    def zero_pages(self) -> int:
        """How many of its present pages are the shared zero page."""
        return count_zero_pages(self.holder.ask("flags")["runs"])

    def huge_bytes(self) -> int:
        """How much of it is made of transparent huge pages, bytes."""
        _range, _, sizes = self.guest.control.read(f"/proc/{self.pid}/smaps_rollup").partition("\n")
        return parse_meminfo(sizes)["AnonHugePages"]

    def close(self) -> None:
        """End the holder, which releases its memory and its pins.

        Raises:
            HolderStuck: the kernel does not let it end.
            DeadlineExceeded: it does not end.
        """
        self.holder.close()
        self.pins.clear()

    def require_running(self) -> None:
        """Make sure that the holder lives, and so has what it pinned; see `Holder`."""
        self.holder.require_running()

    @property
    def pid(self) -> int:
        """The holder's."""
        return self.holder.pid

    @property
    def running(self) -> bool:
        """Whether the holder has not ended."""
        return self.holder.running

    @property
    def held(self) -> tuple[str, ...]:
        """The pins that are held, in words."""
        return tuple(pin.holder for pin in self.pins)

    @property
    def what(self) -> str:
        """What it is, in words."""
        return f"{self.size >> 20} MiB of {self.kind} memory on node {self.node}"

    def __str__(self) -> str:
        return f"pid {self.pid}, {self.what}"


def _about(command: str, seed: int, offset: int, size: int) -> str:
    """A command about a pattern in a part of the range; the holder takes no `bytes=0`."""
    return f"{command} {seed} offset={offset}" + (f" bytes={size}" if size else "")


class Survivor:
    """A process with the memory and the files of a holder that was killed."""

    def __init__(self, guest: Guest, pid: int) -> None:
        """Made by `Buffer.leave_to_another`."""
        self.guest = guest
        self.pid = pid

    def end(self) -> None:
        """Kill it too, and wait until it is gone.

        Raises:
            GuestLost: it has ended before.
            HolderStuck: it stays.
        """
        self._signal("-9")
        gone = f"while kill -0 {self.pid} 2>/dev/null; do sleep 0.05; done"
        if not self.guest.control.run(gone, 30.0).ok:
            raise HolderStuck(f"pid {self.pid}, which was killed, is there yet after 30 s")

    def require_running(self) -> None:
        """Make sure that it lives, and so has what the holder had.

        Raises:
            GuestLost: it has ended.
        """
        self._signal("-0")

    def _signal(self, signal: str) -> None:
        done = self.guest.control.run(f"kill {signal} {self.pid}")
        if not done.ok:
            raise GuestLost(
                f"pid {self.pid}, to which the memory was left, ended: {done.complaint}"
            )


class Child:
    """A process that the holder forked, with the memory as fork(2) left it."""

    def __init__(self, parent: Buffer, pid: int) -> None:
        """Made by `Buffer.fork`."""
        self.pid = pid
        self._parent = parent

    def fill(self, seed: int) -> None:
        """Write a pattern that `seed` names."""
        self._parent.holder.ask(f"child fill {seed}")

    def mismatches(self, seed: int) -> int:
        """Bytes that differ from the pattern `seed`."""
        return int(self._parent.holder.ask(f"child verify {seed}")["mismatches"])

    def expect_reads(self, seed: int) -> None:
        """Require that it reads the pattern `seed`.

        Raises:
            AssertionError: with how many bytes are other.
        """
        __tracebackhide__ = True
        wrong = self.mismatches(seed)
        assert not wrong, f"{wrong} bytes are not as written, by what the child, {self.pid}, reads"

    def require_shared(self) -> None:
        """Make sure that it shares all pages with the holder, copy-on-write.

        Raises:
            HotremoveError: it does not.
        """
        if self.frames() != self._parent.frames():
            raise HotremoveError(f"the child, pid {self.pid}, does not share {self._parent}")

    def frames(self) -> PfnRuns:
        """The page frames that the range is made of for the child."""
        return PfnRuns.of(self._parent.holder.ask("child pages")["runs"])

    def close(self) -> None:
        """End it."""
        self._parent.holder.ask("reap")
