# SPDX-License-Identifier: Apache-2.0
"""A running guest."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Protocol, TypeVar

from hotremove.errors import EmulatorFault, GuestDied, GuestLost, HotremoveError
from hotremove.guest.console import GuestLog
from hotremove.guest.control import Control
from hotremove.guest.patience import Patience
from hotremove.guest.plan import BootTask, GuestPlan
from hotremove.observe.kernellog.breakpoint import is_stale_breakpoint
from hotremove.observe.kernellog.dmesg import find_reports
from hotremove.observe.kernellog.report import Report
from hotremove.observe.kernellog.wholeness import LogNotWhole, count_dropped, count_lost
from hotremove.observe.timeline import Timeline
from hotremove.virt.calls import CallOverdue
from hotremove.virt.cores import spread, take_turns
from hotremove.virt.domain import Channels, dimm_xml, requested_virtio_mem
from hotremove.virt.hypervisor import DeviceEvent, Hypervisor
from hotremove.virt.monitor import Monitor, virtio_mem_size
from hotremove.virt.polling import wait_until
from hotremove.virt.process import EmulatorProcess

T = TypeVar("T")
# Seconds until a mark has gone through the kernel's log: milliseconds, but where messages flood.
MARK_DEADLINE = 10.0
# The same for its console, in seconds: it writes 0.25 MiB/s under TCG, and the ring has 4 MiB.
CONSOLE_DEADLINE = 30.0
# More than this in a guest's logs, and it is ended: the host's disk must not fill. A boot writes
# 60 KiB; a kernel that does nothing but print writes 0.25 MiB/s under TCG.
FLOOD_BYTES = 16 << 20
# What every kernel begins with, on its console too: all of its log comes there.
_FIRST_WORDS = "Linux version "
# Kinds of report after which a guest need not answer any more.
_DEADLY = frozenset(
    (
        "panic",
        "oops",
        "bug",
        "soft-lockup",
        "hard-lockup",
        "rcu-stall",
        "hung-task",
        "list-corruption",
    )
)


class MemoryHolder(Protocol):
    """A process of a guest that has memory mapped, and gives it back when it is told to."""

    @property
    def pid(self) -> int:
        """Its number."""

    @property
    def running(self) -> bool:
        """Whether it has not ended."""

    @property
    def held(self) -> tuple[str, ...]:
        """What it has pinned, and how, in words."""

    @property
    def locked(self) -> int:
        """Bytes it has locked by mlock(2), beside its pins."""

    def check_data(self) -> None:
        """Require that its memory holds what was written to it."""

    def unpin(self) -> None:
        """Release its pins, after the same."""

    def close(self) -> None:
        """End it."""


class Guest:
    """One domain and its channels.

    Attributes:
        plan: what it was made from.
        name: the domain's name.
        channels: its sockets and logs on the host.
        control: commands in the guest.
        console: what the kernel printed.
        evidence: records of /dev/kmsg.
        origin: `booted` or `restored`.
        timeline: what was done to it, and when.
        holders: processes that have memory of it mapped for a test, and may have it pinned.
        fetch_final_console: completes the logs of a guest on another machine that has ended.
        patience: how long is waited for what its kernel may never do.
    """

    def __init__(
        self, plan: GuestPlan, name: str, channels: Channels, hypervisor: Hypervisor, origin: str
    ) -> None:
        self.plan = plan
        self.name = name
        self.channels = channels
        self.origin = origin
        self.console = GuestLog(channels.console)
        self.evidence = GuestLog(channels.evidence)
        self.timeline = Timeline()
        self.control = Control(channels.control, self, self.timeline)
        self.domain: Any = None
        self.process: EmulatorProcess | None = None
        self._number = 0
        self._vcpus: list[int] = []
        self.hypervisor = hypervisor
        self._marks = count(1)
        self.holders: list[MemoryHolder] = []
        self.fetch_final_console: Callable[[], None] | None = None
        self.patience = Patience()

    def adopt(self, domain: Any, pid_file: Path | None) -> None:
        """Take over a started domain; `pid_file` is QEMU's, where it is on this machine.

        Raises:
            GuestDied, GuestLost: it has ended already.
        """
        self.domain = domain
        self._number = domain.ID()
        if pid_file:
            try:
                self.process = EmulatorProcess(int(pid_file.read_text()))
            except (OSError, ValueError) as error:
                raise self._death_error("QEMU ended as soon as it had started") from error
            if self.plan.accelerator != "kvm":
                self._vcpus = self.process.vcpus()
                take_turns(self._vcpus)

    def spread(self) -> None:
        """From now on, keep its vCPUs off each other's cores; under TCG, on this machine."""
        if self._vcpus:
            spread(self._vcpus)
        self._vcpus = []

    def await_kernel(self, deadline: float) -> None:
        """Leave a guest alone while its firmware runs, which reads from the ports itself.

        (edk2's OvmfPkg/VirtioSerialDxe takes and drops what comes before the kernel is there.)

        Raises:
            GuestDied, GuestLost: the kernel says nothing in `deadline` seconds, or it has ended.
        """
        if self.plan.boot.firmware is None:
            return
        if not wait_until(lambda: _FIRST_WORDS in self.console.text(), deadline, self.check):
            raise self._death_error(f"its firmware started no kernel in {deadline:g} s")

    def await_boot_task(self, task: BootTask, boot_deadline: float) -> None:
        """Leave a booting guest alone until its console says that its task is done.

        Raises:
            GuestDied, GuestLost: that does not come, or the guest has ended.
        """
        deadline = boot_deadline + task.seconds
        if not wait_until(lambda: task.mark in self.console.text(), deadline, self.check):
            raise self._death_error(f"what it was booted for took more than {deadline:g} s")

    def check(self) -> None:
        """Raise what became of the guest if it has ended, and end it if it floods its logs.

        Raises:
            GuestDied: its kernel said why.
            GuestLost: nothing says why.
        """
        if self.ended:
            raise self._death_error(self.ending)
        if self.console.size() + self.evidence.size() > FLOOD_BYTES:
            self.destroy()
            raise self._death_error(f"more than {FLOOD_BYTES >> 20} MiB of kernel messages")

    def lost(self, complaint: str) -> HotremoveError:
        """The error for a guest that lives and does not answer."""
        if self.process and self.process.stopped:
            complaint += ", and QEMU is stopped"
        return self._death_error(complaint)

    @property
    def ended(self) -> bool:
        """Whether the guest is no more, or never was."""
        if self.domain is None:
            return True
        if self.process:
            return not self.process.running
        if self.hypervisor.is_running(self.domain):
            return False
        self._fetch_final_console()
        return True

    def _fetch_final_console(self) -> None:
        told, self.fetch_final_console = self.fetch_final_console, None
        if told:
            told()

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        if self.domain is None:
            return "it was never started"
        return self.process.ending if self.process else "the domain is no longer active"

    def _death_error(self, complaint: str) -> HotremoveError:
        """A dead or silent guest's error; its console tells whether the kernel is to blame."""
        deadly = [report for report in self.console_reports() if report.kind in _DEADLY]
        if deadly and self._is_emulators(deadly[0]):
            return _emulators_fault(deadly[0])
        if deadly:
            return GuestDied(f"the guest died: {deadly[0].title} ({complaint})\n{deadly[0].text}")
        said = self.console.last_line() or "nothing"
        return GuestLost(f"the guest was lost: {complaint}; last on its console: {said}")

    def _is_emulators(self, report: Report) -> bool:
        """Whether the emulator is to blame for what the kernel reports."""
        return self.plan.accelerator == "tcg" and is_stale_breakpoint(report)

    def console_reports(self) -> list[Report]:
        """What the kernel reported on its console; works on a dead guest."""
        return find_reports(self.console.text().split("\n"))

    def reports(self) -> list[Report]:
        """What the kernel reported since this guest started, by a log that is known to be whole.

        Where records are lost, the console has to have them.

        Raises:
            GuestDied, GuestLost: it has ended, or cannot be asked any more.
            LogNotWhole: the console has not got them either.
        """
        self.check()
        self._flush_kernel_log()
        lines = self.evidence.text().splitlines()
        lost = count_lost(lines, first=0 if self.origin == "booted" else None)
        if not lost:
            return self._of_the_kernel(find_reports(lines))
        missing = self._missing_on_console()
        if missing:
            everything = [*find_reports(lines), *self.console_reports()]
            told = f"the kernel's log is not whole: {lost} records lost, and {missing}"
            raise LogNotWhole(told, everything)
        return self._of_the_kernel(self.console_reports())

    def _of_the_kernel(self, reports: list[Report]) -> list[Report]:
        """The reports, if none is of something that the emulator did.

        Raises:
            EmulatorFault: one is; what the kernel did after it says nothing.
        """
        for report in filter(self._is_emulators, reports):
            raise _emulators_fault(report)
        return reports

    def _missing_on_console(self) -> str:
        """What speaks against the console's log as a whole one; nothing if it is whole.

        A mark of the lowest level that reports have must come out of it, behind all the rest.
        """
        said = self.console.size()
        mark = self._put_mark(6)

        def has_come() -> bool:
            return mark in self.console.text(said).replace("\r", "")  # a terminal's line ends

        if not wait_until(has_come, CONSOLE_DEADLINE, self.check):
            return f"a mark did not come to its console within {CONSOLE_DEADLINE:g} s"
        dropped = count_dropped(self.console.text())
        return f"its console dropped {dropped} messages" if dropped else ""

    def dmesg(self, start: int = 0) -> str:
        """The kernel's messages from byte `start` of the evidence on, as records of /dev/kmsg.

        A mark goes through the kernel's log first, so that nothing said before this call is
        missing. A guest that cannot be asked any more gives what came by itself.
        """
        with contextlib.suppress(HotremoveError):
            self._flush_kernel_log()
        return self.evidence.text(start)

    def _flush_kernel_log(self) -> None:
        """Wait until a mark put into the kernel's log has come out at the evidence.

        Raises:
            GuestLost: it does not, so that what the kernel reported is not known.
        """
        said = self.evidence.size()
        mark = self._put_mark(7)
        if not wait_until(lambda: mark in self.evidence.text(said), MARK_DEADLINE, self.check):
            raise GuestLost(
                f"the kernel's log did not come out of the guest within {MARK_DEADLINE:g} s, "
                "and nothing can be said of what it reported"
            )

    def _put_mark(self, level: int) -> str:
        """Put a line of its own into the kernel's log.

        Raises:
            GuestLost: the guest does not take it.
        """
        mark = f"hotremove: mark {next(self._marks)}"
        try:
            self.control.write("/dev/kmsg", f"<{level}>{mark}\n")
        except OSError as error:
            raise GuestLost(f"the kernel's log takes no mark: {error.strerror}") from error
        return f"{mark}\n"

    def plug_dimm(self, alias: str, mib: int, node: int) -> None:
        """Give the guest a DIMM of `mib` MiB on `node`; the kernel onlines it in its own time.

        Raises:
            GuestLost: libvirt or QEMU refuses, or the guest is gone.
        """
        self.check()
        xml = dimm_xml(alias, mib, node)
        self._ask(
            f"plugging {mib} MiB on node {node}", lambda: self.domain.attachDeviceFlags(xml, 0)
        )

    def resize_virtio_mem(self, mib: int) -> None:
        """Ask the guest's virtio-mem driver to plug or unplug until it has `mib` MiB.

        Raises:
            GuestLost: libvirt or QEMU refuses, or the guest is gone.
        """
        self.check()
        xml = requested_virtio_mem(self.xml(), mib)
        self._ask(f"asking virtio-mem for {mib} MiB", lambda: self.domain.updateDeviceFlags(xml, 0))

    def virtio_mem_size(self) -> int:
        """What the guest's virtio-mem device gives it now, bytes.

        By QEMU's own word: libvirt hears of a change up to a second late, as QEMU sends such events
        once a second.

        Raises:
            GuestLost: the guest is gone.
        """
        ask = partial(Monitor(self.domain).ask, "query-memory-devices")
        return virtio_mem_size(self._ask("asking for virtio-mem's size", ask))

    def xml(self) -> str:
        """The domain, as libvirt describes it.

        Raises:
            GuestLost: the guest is gone.
        """
        return str(self._ask("asking for the guest's XML", lambda: self.domain.XMLDesc(0)))

    def request_removal(self, alias: str) -> None:
        """Ask the guest, by ACPI eject, to give a device back; an event tells the answer.

        Raises:
            GuestDied, GuestLost: libvirt or QEMU refuses, or the guest is gone.
        """
        self.check()
        self._ask(f"asking for {alias} back", lambda: self.domain.detachDeviceAlias(alias, 0))

    def wait_for_removal(self, alias: str, deadline: float) -> DeviceEvent | None:
        """The answer to `request_removal`, or None after `deadline` seconds.

        Raises:
            GuestDied, GuestLost: there is no answer because nobody is there to give one.
        """
        event = self.hypervisor.wait_for_device(self._number, alias, deadline, self.check)
        if event is None:
            self.control.ping()
        return event

    def is_paused(self) -> bool:
        """Whether its CPUs are stopped, as a debugger does.

        Raises:
            GuestLost: the guest is gone.
        """
        state = self._ask("asking for the guest's state", lambda: self.domain.state())
        return bool(state[0] == self.hypervisor.paused)

    def refresh(self) -> None:
        """Give a restored guest the present time and randomness of its own."""
        self.control.refresh(time.time(), os.urandom(64))

    def destroy(self) -> None:
        """End the guest at once; its logs stay. Never raises: a dead guest is what is wanted."""
        self.control.close()
        if self.process:
            # libvirt's own destroy looks for QEMU's end every 200 ms; one that is gone is no wait.
            self.process.kill()
        if self.domain is not None:
            with contextlib.suppress(HotremoveError):
                self._forget()

    def _ask(self, what: str, call: Callable[[], T]) -> T:
        """What libvirt says of this guest.

        Raises:
            GuestDied, GuestLost: libvirt or QEMU refuses, or does not answer.
        """
        try:
            return self.hypervisor.call(GuestLost, what, call, self.name)
        except CallOverdue as overdue:
            raise self._death_error(str(overdue)) from overdue

    def _forget(self) -> None:
        try:
            self._ask("destroying a guest", lambda: self.domain.destroy())
        except HotremoveError:
            # It was gone already; libvirt may still be clearing up after it.
            wait_until(lambda: self.name not in self.hypervisor.domain_names(), 10)


def _emulators_fault(report: Report) -> EmulatorFault:
    """The error for a guest that its emulator broke."""
    return EmulatorFault(
        f"the guest was lost: {report.title}, by a breakpoint that the guest's memory no longer"
        f" holds: QEMU's TCG ran an old translation, and the kernel is not to blame\n{report.text}"
    )
