# SPDX-License-Identifier: Apache-2.0
"""Guests in a slot of another machine, by libvirt's remote driver alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from hotremove.architecture.architecture import Architecture
from hotremove.bootimage.initramfs import BootImage
from hotremove.cache import Cache, digest
from hotremove.errors import GuestDied, GuestLost, HostProblem, HotremoveError
from hotremove.guest.deadlines import RESTORE_DEADLINE, RESTORES
from hotremove.guest.machine import Guest
from hotremove.guest.plan import GuestPlan, make_plan
from hotremove.guest.pool import GuestPool
from hotremove.guest.source import AtEnd, keep_none, pass_over
from hotremove.kernels.kernel import Kernel
from hotremove.progress import waiting
from hotremove.remote import reclaim, remote_xml
from hotremove.remote.lease import Lease
from hotremove.remote.reach import require_reachable
from hotremove.remote.storage import Store
from hotremove.remote.streams import RemoteChannels
from hotremove.virt.accelerator import Accelerator
from hotremove.virt.calls import CallOverdue
from hotremove.virt.domain import Boot, Channels
from hotremove.virt.hypervisor import Hypervisor
from hotremove.virt.topology import Topology

# The local copies of what hosts have saved: any host with the same versions can go on from them.
KIND = "remote-snapshots"
_MEMORY = "memory"
# Seconds that the end of a guest's console is given to arrive.
_FINAL_CONSOLE = 3.0


class SlotTaken(HostProblem):
    """Another farm has a guest in the slot."""


class RemoteGuests:
    """The guests of one leased slot, one at a time."""

    def __init__(self, cache: Cache, lease: Lease, fresh_boot: bool, boot_deadline: float) -> None:
        """Connect to the slot's host and clear what a dead run of this machine left in the slot.

        Raises:
            SlotTaken: another farm has it.
            HostProblem: the host does not answer, or lacks a storage pool.
        """
        self.cache = cache
        self.lease = lease
        self.host = lease.slot.host
        self.fresh_boot = fresh_boot
        self.boot_deadline = boot_deadline
        self._taken = False
        self._emulators: dict[Architecture, str] = {}
        self._channels: RemoteChannels | None = None
        self.pool = GuestPool(lease.worker, self._close_channels)
        try:
            self.hypervisor = self._open()
        except BaseException:
            self.pool.directory.remove()
            raise

    @property
    def guests(self) -> tuple[Guest, ...]:
        """The one that is in use, if any."""
        return self.pool.guests

    @property
    def kept(self) -> tuple[Guest, ...]:
        """None: no guest of another machine lives on."""
        return self.pool.kept

    @property
    def alive(self) -> bool:
        """Whether the host still answers."""
        return self.hypervisor.alive

    @property
    def usable(self) -> bool:
        """Whether the slot can still be used: the host answers, and nobody else has come by it."""
        return not self._taken and self.alive

    def find_emulator(self, arch: Architecture) -> str:
        """Path of QEMU on the host, for guests of an architecture.

        Raises:
            HostProblem: it has none.
        """
        if arch not in self._emulators:
            told = self.hypervisor.domain_capabilities("qemu", arch)
            self._emulators[arch] = remote_xml.emulator_of(told)
        return self._emulators[arch]

    def choose_accelerator(self, _wanted: str, kernel: Kernel, /) -> Accelerator:
        """What hosts.toml and the host's libvirt say."""
        if "kvm" not in self.host.capabilities:
            return Accelerator("tcg", f"hosts.toml names no kvm for {self.host.name}")
        try:
            self.hypervisor.domain_capabilities("kvm", kernel.arch)
        except HostProblem:
            return Accelerator("tcg", f"{self.host.name}'s libvirt offers no kvm for {kernel.arch}")
        return Accelerator("kvm", f"hosts.toml and {self.host.name}'s libvirt say so")

    def plan(self, image: BootImage, topology: Topology, accelerator: str) -> GuestPlan:
        """What guests of an image are made from, with the host's QEMU."""
        emulator = self.find_emulator(image.kernel.arch)
        return make_plan(image, topology, accelerator, self.cache, emulator)

    def fresh(self, plan: GuestPlan) -> Guest:
        """A guest that nobody has used, ready to take commands.

        Raises:
            GuestDied, GuestLost: it did not come up.
            SlotTaken: another farm has come by the slot: two machines' locks know nothing of each
                other, and between two guests a slot looks free.
            HostProblem: the host refuses, or is gone.
        """
        self.pool.finish_destroys()
        try:
            if self.fresh_boot or plan.boot_task:
                return self.boot(plan)
            return self._restored(plan)
        except HotremoveError:
            self._require_slot()
            raise

    def prepare(self, _plan: GuestPlan, /) -> None:
        """Nothing: a slot has one guest at a time."""

    def _restored(self, plan: GuestPlan) -> Guest:
        for _ in range(RESTORES):
            name = self._saved(plan)
            try:
                return self._restore_on_host(plan, name)
            except (GuestDied, CallOverdue):
                raise
            except GuestLost:
                if not self.alive:
                    raise
                self._require_slot()
                if self._is_damaged(name):
                    self._remove_saved(plan, name)
        guest = self.boot(plan)
        self._remove_saved(plan, name)  # cannot be restored twice, where booting works
        return guest

    def _is_damaged(self, name: str) -> bool:
        """Whether the host's libvirt cannot read a saved guest; nobody has its checksum."""
        try:
            self.hypervisor.saved_xml(self.store.path_of(name))
        except GuestLost:
            return True
        return False

    def _remove_saved(self, plan: GuestPlan, name: str) -> None:
        """Have a saved guest made again: none but who holds the slot uses it."""
        self.store.remove(name)
        self.cache.discard(KIND, self._snapshot_key(plan), lambda _entry: True)

    def boot(self, plan: GuestPlan) -> Guest:
        """A guest booted from power-on."""
        return self._bring_up(plan, "booted", lambda: self._create(plan), self.boot_deadline)

    def lend(
        self,
        plan: GuestPlan,
        at_end: AtEnd = pass_over,
        keep: Callable[[], bool] = keep_none,
    ) -> AbstractContextManager[Guest]:
        """A fresh guest for one test; `at_end` looks at it before it goes, without QEMU's log."""
        return self.pool.lend(lambda: self.fresh(plan), lambda guest: at_end(guest, None), keep)

    def release(self, guest: Guest) -> None:
        """Destroy a guest off the critical path."""
        self.pool.release(guest)

    def _close_channels(self) -> None:
        if self._channels:
            self._channels.close()
            self._channels = None

    def close(self) -> None:
        """End every guest and leave nothing behind but what was uploaded; give the slot back."""
        try:
            self._end()
        finally:
            self.lease.release()

    def _end(self) -> None:
        self.pool.end()
        try:
            self.hypervisor.close()
        except HotremoveError:
            pass  # the host is gone, and the guests with it
        finally:
            self.pool.directory.remove()

    def _open(self) -> Hypervisor:
        require_reachable(self.host)
        opened = Hypervisor(self.host.uri, self.pool.directory.path / "libvirt.log")
        try:
            self.store = Store(opened, self.host.pool, self.host.name, self.cache)
            self._clear_slot(opened)
        except BaseException:
            opened.close()
            raise
        self.title = reclaim.title(self.lease.mark, self.lease.worker, os.getpid())
        name = self.lease.slot.guest_name
        reclaim.announce(self.pool.directory.path, self.host.uri, name, self.title)
        return opened

    def _clear_slot(self, hypervisor: Hypervisor) -> None:
        """End what a dead worker left in the slot.

        Raises:
            SlotTaken: a guest that is there is somebody else's.
        """
        name = self.lease.slot.guest_name
        if not reclaim.clear(hypervisor, name, partial(reclaim.is_left, lock=self.lease.mark)):
            self._taken = True
            raise SlotTaken(f"{self.host.name}: another farm has a guest called {name}")

    def _require_slot(self) -> None:
        if self.alive:
            self._clear_slot(self.hypervisor)

    def _create(self, plan: GuestPlan) -> Any:
        there = replace(plan, boot=self._upload(plan.boot), emulator=self.find_emulator(plan.arch))
        xml = there.xml(self.lease.slot.guest_name, Channels(remote_xml.NOWHERE))
        log = self.store.path_of(self._console_log)
        return self.hypervisor.create(
            remote_xml.remote_domain_xml(xml, self.title, log), paused=True
        )

    def _upload(self, boot: Boot) -> Boot:
        upload = self.store.upload
        firmware = upload(boot.firmware) if boot.firmware else None
        return Boot(upload(boot.kernel), upload(boot.initramfs), boot.cmdline, firmware)

    def _restore_on_host(self, plan: GuestPlan, name: str) -> Guest:
        image = self.store.path_of(name)

        def restore() -> Any:
            xml = remote_xml.with_title(self.hypervisor.saved_xml(image), self.title)
            guest_name = self.lease.slot.guest_name
            return self.hypervisor.restore(guest_name, image, xml, paused=True)

        guest = self._bring_up(plan, "restored", restore, RESTORE_DEADLINE)
        guest.refresh()
        return guest

    def _bring_up(self, plan: GuestPlan, origin: str, start: Any, deadline: float) -> Guest:
        """Start a guest with its CPUs stopped, open its channels, let it run."""
        guest = self.pool.add(plan, self.lease.slot.guest_name, self.hypervisor, origin)
        try:
            domain = start()
            guest.adopt(domain, None)
            channels = RemoteChannels(self.hypervisor, domain, guest.channels)
            self._channels = channels
            guest.fetch_final_console = lambda: self._fetch_final_console(guest, channels)
            self.hypervisor.call(GuestLost, "starting the guest's CPUs", domain.resume, guest.name)
            if origin == "booted":
                guest.await_kernel(deadline)
            if plan.boot_task:
                guest.await_boot_task(plan.boot_task, deadline)
            guest.control.connect(deadline)
        except BaseException:
            self.release(guest)
            self.pool.finish_destroys()
            raise
        return guest

    def _fetch_final_console(self, guest: Guest, channels: RemoteChannels) -> None:
        """Complete an ended guest's console from the copy that the host keeps."""
        channels.drain(_FINAL_CONSOLE)
        whole = guest.channels.directory / "console.whole"
        try:
            self.store.receive(self._console_log, whole)
        except HotremoveError:
            return  # the host is gone as well; what had come by then is there
        if whole.stat().st_size > guest.console.size():
            whole.replace(guest.console.path)

    @property
    def _console_log(self) -> str:
        return f"slot{self.lease.slot.number}-console.log"

    def _saved(self, plan: GuestPlan) -> str:
        """The volume with the saved guest, once it is there: made here, or by a host like this."""
        key = self._snapshot_key(plan)
        name = _volume(key)
        if not self.store.has(name):
            with self.cache.lock(KIND + "-making", key):
                kept = self.cache.find(KIND, key)
                if kept:
                    self._upload(plan.boot)  # which QEMU reads again when it restores
                    self.store.send(kept / _MEMORY, name)
                else:
                    self._save_on_host(plan, name)
                    fetch = self.store.receive
                    self.cache.get(KIND, key, lambda target: fetch(name, target / _MEMORY))
        return name

    def _snapshot_key(self, plan: GuestPlan) -> str:
        """A saved guest has the slot's name for ever, so each slot number has its own."""
        kvm = plan.accelerator == "kvm"
        return digest(
            replace(plan, emulator=self.find_emulator(plan.arch)).key,
            self.hypervisor.version(),
            remote_xml.processor_of(self.hypervisor.capabilities()) if kvm else "",
            str(self.store.path_of("")),
            self.lease.slot.guest_name,
            Path(__file__),
            Path(remote_xml.__file__),
        )

    def _save_on_host(self, plan: GuestPlan, name: str) -> None:
        release = plan.image.kernel.release
        with waiting(f"booting {release} once on {self.host.name}, to be restored for each test"):
            guest = self.boot(plan)
            try:
                guest.dmesg()
                guest.control.close()
                self.store.remove(name)
                self.hypervisor.save(guest.domain, self.store.path_of(name))
                self.store.adopt(name)
            finally:
                self.release(guest)
                self.pool.finish_destroys()


def _volume(key: str) -> str:
    return f"saved-{key}"
