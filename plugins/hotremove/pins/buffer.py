# SPDX-License-Identifier: Apache-2.0
"""A range of memory mapped by a process of the guest, which can be pinned."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from hotremove.errors import DeadlineExceeded, GuestLost, HotremoveError, NotApplicable
from hotremove.guest.control import Job
from hotremove.guest.machine import Guest
from hotremove.guest.memory_blocks import read_counters
from hotremove.guest.stuck import process_state, sleeps_for_good, where_in_kernel
from hotremove.observe.counters import Counters, delta, parse_meminfo
from hotremove.observe.kernellog.oom import is_killed_for_memory
from hotremove.observe.pageflags import (
    FlagRun,
    count_lock_pending,
    count_locked,
    count_off_list,
    count_zero_pages,
)
from hotremove.observe.pagemap import PAGE_BYTES, PfnRuns
from hotremove.pins.pin import Pin
from hotremove.virt.polling import wait_until

# Faulting or pinning 1 GiB takes some seconds under TCG; this is far beyond what any test maps.
DEADLINE = 120.0
# Seconds that pages may be missing from the page table of who has pinned them.
_ABSENT = 5.0
# How often pages are locked until some wait in a batch: whatever ends on the CPU works it off.
_LOCK_TRIES = 10


# Kinds of memory whose pages belong to a file and outlive the mapping.
_FILES = ("shmem", "memfd", "file")


class PinRefused(OSError):
    """The kernel refused a pin; `errno` and the call are its own."""


class HolderStuck(AssertionError):
    """The holder waits in the kernel, where no signal reaches it, and does not come back."""


class PinHangs(HolderStuck):
    """The kernel is still pinning long after it should have pinned or refused: a livelock."""


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
        pid: the holder.
        node: the node it is bound to, if any.
        size: bytes mapped.
        kind: `anon`, `thp`, `hugetlb2m`, `hugetlb1g`, `shmem`, `memfd` or `file`.
        read_only: pins of it only read.
        file: what it maps, for the kind `file`.
        pins: pins taken and not released.
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
    ) -> None:
        """Map `size` bytes bound to `node`, or only preferring it.

        `file` is what the kind `file` maps, `cpu` is the only CPU that the holder runs on.

        Raises:
            PinRefused: the kernel does not give the memory.
        """
        words = ["holder", "--memory", kind, "--bytes", str(size)]
        words += ["--node", str(node)] if node is not None else []
        words += ["--file", file] if file is not None else []
        words += ["--prefer"] if prefer else []
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
        self._numbers = count(1)
        self._job: Job = guest.control.start(" ".join(["exec", *words]))
        with guest.timeline.span(f"map {size >> 20} MiB"):
            self.pid = int(self._answer("map")["pid"])

    def pin(self, path: str, label: str, long_term: bool = True, **keys: object) -> Pin:
        """Pin the range through `path`; the holder keeps it until released.

        Args:
            path: the holder's name for the pin path.
            label: what holds the pin, for a reader: `rxe memory region`.
            long_term: whether the kernel was told so (FOLL_LONGTERM).
            keys: the path's own settings.

        Raises:
            PinRefused: with the kernel's errno.
        """
        return self.start_pin(path, label, long_term, **keys)()

    def start_pin(
        self, path: str, label: str, long_term: bool = True, **keys: Any
    ) -> Callable[[], Pin]:
        """Begin to pin as `pin` does; what it returns waits for the pin, and raises as `pin`."""
        words = [f"{key}={value}" for key, value in keys.items() if value is not None]
        command = " ".join(["pin", path, *words])
        before = read_counters(self.guest.control, self.node or 0)
        self._send(command)

        def finish() -> Pin:
            with self.guest.timeline.span(f"pin through {path}"):
                answer = self._answer(command)
            size = int(answer["bytes"])
            pin = Pin(
                path=path,
                label=label,
                long_term=long_term,
                pid=self.pid,
                size=size,
                calls=int(answer["calls"]),
                seconds=float(answer["seconds"]),
                frames=self._frames_of(size, int(keys.get("offset") or 0)),
                counted=delta(before, read_counters(self.guest.control, self.node or 0)),
                ended=float(answer["ended"]),
                zero_pages=self.zero_pages() if self.read_only else 0,
            )
            self.pins.append(pin)
            return pin

        return finish

    def unpin(self) -> None:
        """Release every pin of this holder."""
        with self.guest.timeline.span("unpin"):
            self._ask("unpin")
        self.pins.clear()

    def frames(self, offset: int = 0, size: int = 0) -> PfnRuns:
        """The page frames of `size` bytes (0: to the end) as they are now, from pagemap."""
        part = f" offset={offset}" + (f" bytes={size}" if size else "")
        return PfnRuns.of(self._ask(f"pages{part}")["runs"])

    def _frames_of(self, size: int, offset: int) -> PfnRuns:
        """As `frames`, once all of `size` pinned bytes are in the page table.

        A page that another tries to migrate is not, until that fails; nor is one of a file that
        was unmapped after it was pinned. Reading a page waits for the one and maps the other.
        """
        found = PfnRuns()
        wanted = 0 if self.read_only else size  # there one zero page may stand for many

        def all_there() -> bool:
            nonlocal found
            found = self.frames(offset, size)
            complete = found.pages * PAGE_BYTES >= wanted
            if not complete:
                self.touch()
            return complete

        wait_until(all_there, _ABSENT)
        return found

    def touch(self) -> None:
        """Read each page."""
        self._ask("touch")

    def fault(self) -> None:
        """Write to each page."""
        self._ask("fault")

    def advise(self, advice: str) -> None:
        """madvise(2) the range: `dontneed` and `remove` (of a file) give its pages back.

        Raises:
            PinRefused: madvise's errno.
        """
        self._ask(f"advise {advice}")

    def renew(self) -> None:
        """Give its pages back, pins of this holder first, and have new ones in their place."""
        if self.pins:
            self.unpin()
        self.advise("remove" if self.kind in _FILES else "dontneed")
        self.fault()

    def fill(self, seed: int, offset: int = 0, size: int = 0) -> None:
        """Write the pattern `seed`, by the processor, to `size` bytes (0: to the end)."""
        self._ask(_about("fill", seed, offset, size))

    def mismatches(self, seed: int, offset: int = 0, size: int = 0) -> int:
        """Bytes that the processor finds different from the pattern `seed`."""
        return int(self._ask(_about("verify", seed, offset, size))["mismatches"])

    def device_fill(self, seed: int, offset: int = 0, size: int = 0) -> None:
        """As `fill`, by the device that holds the last pin.

        Raises:
            PinRefused: the device refuses or does not end; `errno` and the call are its own.
        """
        self._ask(_about("dma-fill", seed, offset, size))

    def device_mismatches(self, seed: int, offset: int = 0, size: int = 0) -> int:
        """As `mismatches`, of what the device that holds the last pin reads."""
        return int(self._ask(_about("dma-verify", seed, offset, size))["mismatches"])

    def pinned_runs(self) -> tuple[PinnedRun, ...]:
        """Where the pages of the last pin lie; the module pin_hold tells, not the page table.

        Raises:
            PinRefused: it was not made by that module.
        """
        return tuple(PinnedRun(*run) for run in self._ask("report")["runs"])

    def largest_order(self) -> int:
        """The order, as a power of two, of the largest folio in the last pin."""
        return max(run.order for run in self.pinned_runs())

    def stale_pages(self) -> int:
        """Pages of the last pin that the memory is not made of any more: nobody sees them."""
        pinned = PfnRuns.of((run.pfn, run.count) for run in self.pinned_runs())
        return (pinned - self.frames()).pages

    def fork(self) -> Child:
        """Give the holder a child, which shares the memory as fork does."""
        return Child(self, int(self._ask("fork")["pid"]))

    def move_to_cpu(self, cpu: int) -> None:
        """Let the holder run on another CPU only.

        It moves by itself: a program that ends on the CPU it leaves would work off what waits there
        (mm/mmap.c, exit_mmap()).
        """
        self._ask(f"cpu {cpu}")

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
            self._ask("lock")
            self.move_to_cpu(there)
            flags = self._ask("flags")["runs"]
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
        return count_zero_pages(self._ask("flags")["runs"])

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
        self.guest.control.close_input(self._job)
        if self.guest.control.wait(self._job, DEADLINE) is None:
            raise self._stuck("the holder's end") or DeadlineExceeded(
                f"the holder, pid {self.pid}, did not end in {DEADLINE:g} s"
            )
        self.pins.clear()

    def _ask(self, command: str) -> Mapping[str, Any]:
        self._send(command)
        return self._answer(command)

    def _send(self, command: str) -> None:
        self.guest.control.send(self._job, f"{command}\n".encode())

    def _answer(self, command: str) -> Mapping[str, Any]:
        line = self.guest.control.read_line(self._job, DEADLINE)
        if line is None:
            raise self._silent(command)
        answer: Mapping[str, Any] = json.loads(line)
        if answer["event"] == "error":
            raise PinRefused(answer["errno"], f"{answer['call']}: {answer['message']}")
        return answer

    def require_running(self) -> None:
        """Make sure that the holder lives, and so has what it pinned.

        Raises:
            GuestLost: it has ended, which nobody asked it to.
            PinRefused: the kernel's OOM killer ended it.
        """
        if not self._job.running:
            raise self._silent("pins")

    def __str__(self) -> str:
        return f"pid {self.pid}, {self.size >> 20} MiB of {self.kind} memory on node {self.node}"

    def _silent(self, command: str) -> Exception:
        """Why the holder did not answer: it ended, or it hangs in the kernel."""
        if self._job.running:
            return self._stuck(command) or DeadlineExceeded(
                f"`{command}` did not return in the guest in {DEADLINE:g} s"
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
            told = f"`{command}` is in state D after {DEADLINE:g} s {where}".rstrip()
            return HolderStuck(f"{told}: {self}")
        if command.startswith("pin ") and state and state.kernel_seconds > DEADLINE / 2:
            told = f"`{command}` goes on after {DEADLINE:g} s, in the kernel all the time"
            return PinHangs(f"{told}: {self}")
        return None


def _about(command: str, seed: int, offset: int, size: int) -> str:
    """A command about a pattern in a part of the range; the holder takes no `bytes=0`."""
    return f"{command} {seed} offset={offset}" + (f" bytes={size}" if size else "")


class Child:
    """A process that the holder forked, with the memory as fork(2) left it."""

    def __init__(self, parent: Buffer, pid: int) -> None:
        """Made by `Buffer.fork`."""
        self.pid = pid
        self._parent = parent

    def fill(self, seed: int) -> None:
        """Write a pattern that `seed` names."""
        self._parent._ask(f"child fill {seed}")

    def mismatches(self, seed: int) -> int:
        """Bytes that differ from the pattern `seed`."""
        return int(self._parent._ask(f"child verify {seed}")["mismatches"])

    def require_shared(self) -> None:
        """Make sure that it shares all pages with the holder, copy-on-write.

        Raises:
            HotremoveError: it does not.
        """
        if self.frames() != self._parent.frames():
            raise HotremoveError(f"the child, pid {self.pid}, does not share {self._parent}")

    def frames(self) -> PfnRuns:
        """The page frames that the range is made of for the child."""
        return PfnRuns.of(self._parent._ask("child pages")["runs"])

    def close(self) -> None:
        """End it."""
        self._parent._ask("reap")
