# SPDX-License-Identifier: Apache-2.0
"""Guests of this machine: booted once, saved, restored fresh for each test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from hotremove.bootimage.initramfs import BootImage
from hotremove.bootimage.vmlinux import boot_file
from hotremove.cache import Cache, digest, host_errors
from hotremove.errors import EmulatorFault, GuestDied, GuestLost, HostProblem, HotremoveError
from hotremove.guest import snapshot
from hotremove.guest.deadlines import BOOT_DEADLINE, RESTORE_DEADLINE, RESTORES
from hotremove.guest.machine import Guest
from hotremove.guest.plan import GuestPlan, find_emulator, make_plan
from hotremove.guest.pool import GuestPool
from hotremove.guest.snapshot import Snapshot
from hotremove.guest.source import AtEnd, keep_none, pass_over
from hotremove.guest.spare import Loaded, Spare
from hotremove.kernels.kernel import Kernel
from hotremove.observe.timeline import TIMELINE
from hotremove.progress import say, waiting
from hotremove.virt import machine_state
from hotremove.virt.accelerator import Accelerator, choose
from hotremove.virt.calls import CallOverdue
from hotremove.virt.clock import CLOCK
from hotremove.virt.domain import Channels, with_node_files, without_capability
from hotremove.virt.embedded import (
    FEATURE_BY_FEATURE,
    can_do,
    first_to_learn,
    keep_capabilities,
    prepare_root,
)
from hotremove.virt.hostdev import remember
from hotremove.virt.hypervisor import Hypervisor
from hotremove.virt.polling import wait_until
from hotremove.virt.topology import Topology


class LocalGuests:
    """The guests of one process; none outlives it but those that are kept."""

    def __init__(
        self,
        cache: Cache,
        uri: str | None = None,
        fresh_boot: bool = False,
        boot_deadline: float = BOOT_DEADLINE,
        gdb: int | None = None,
        worker: str = "",
    ) -> None:
        """Connect to `uri`, by default to libvirt's embedded driver in a directory of its own.

        `fresh_boot` boots each guest; `boot_deadline` is in seconds; `gdb` is a port on loopback
        for QEMU's stub; `worker` names one of several processes of the run, and its guests.

        Raises:
            HostProblem: libvirt does not answer, or a directory cannot be made.
        """
        self.cache = cache
        self.fresh_boot = fresh_boot
        self.boot_deadline = boot_deadline
        self.gdb = gdb
        self.pool = GuestPool(worker)
        self._root = self.pool.directory.path / "root"
        self._verified: set[Path] = set()
        self._spare = Spare(self._load_spare, self._end_spare)
        try:
            self.hypervisor = self._open(uri)
        except BaseException:
            self.pool.directory.remove()
            raise

    def _open(self, uri: str | None) -> Hypervisor:
        log = self.pool.directory.path / "libvirt.log"
        if uri:
            return Hypervisor(uri, log)
        with first_to_learn(self.cache):
            opened = Hypervisor(prepare_root(self._root, self.cache), log)
            opened.version()  # asks QEMU what it can do
            keep_capabilities(self._root, self.cache)
        return opened

    @property
    def guests(self) -> tuple[Guest, ...]:
        """Those that are in use."""
        return self.pool.guests

    @property
    def kept(self) -> tuple[Guest, ...]:
        """Those that live on after the run."""
        return self.pool.kept

    def choose_accelerator(self, wanted: str, kernel: Kernel, /) -> Accelerator:
        """What this machine's QEMU runs guests under, and why.

        Raises:
            HostProblem: KVM is wanted, and is not to be had.
        """
        file = boot_file(kernel, self.cache)
        return choose(wanted, find_emulator(kernel.arch), file, self.cache, kernel.arch)

    def plan(self, image: BootImage, topology: Topology, accelerator: str) -> GuestPlan:
        """What guests of an image are made from here; see `make_plan`."""
        return make_plan(image, topology, accelerator, self.cache)

    def fresh(self, plan: GuestPlan) -> Guest:
        """A guest that nobody has used, ready to take commands.

        Raises:
            GuestDied, GuestLost: it did not come up.
            HostProblem: QEMU or the disk refuses.
        """
        self.pool.finish_destroys(but=1)
        self.hypervisor.reconnect()
        if self.gdb is not None:
            return self._boot_for_gdb(plan, self.gdb)
        if self._is_restored(plan):
            return self._fresh_from_snapshot(plan)
        self._spare.close()
        return self.boot(plan)

    def _is_restored(self, plan: GuestPlan) -> bool:
        is_booted = self.fresh_boot or plan.boot_task or plan.devices or self.gdb is not None
        return self.hypervisor.embedded and not is_booted

    def _fresh_from_snapshot(self, plan: GuestPlan) -> Guest:
        """A restored guest, of a snapshot that is made again if it is proven to be bad.

        Neither a damaged snapshot nor one failed restore must cost a verdict; but a guest that died
        tells of its kernel, and one that libvirt does not come back from is lost.
        """
        for _ in range(RESTORES):
            with TIMELINE.span("find the saved guest"):
                saved = self._snapshot(plan)
            try:
                return self._restore(plan, saved)
            except (GuestDied, CallOverdue):
                raise
            except GuestLost as error:
                why = error
                self._verified.discard(saved.directory)
                self._set_aside(saved, lambda again: again.is_damaged)
        guest = self.boot(plan)
        # What cannot be restored twice, where booting works, is as good as damaged.
        if self._set_aside(saved, lambda again: again.identity == saved.identity):
            say(f"a saved guest is made again, as it does not come up: {why}")
        return guest

    def _set_aside(self, saved: Snapshot, is_bad: Callable[[Snapshot], bool]) -> bool:
        """Remove a snapshot from the cache if what lies there now is bad; others may use it."""
        key = saved.directory.name
        return self.cache.discard(snapshot.KIND, key, lambda entry: is_bad(Snapshot(entry)))

    def lend(
        self,
        plan: GuestPlan,
        at_end: AtEnd = pass_over,
        keep: Callable[[], bool] = keep_none,
    ) -> AbstractContextManager[Guest]:
        """A fresh guest for one test; `at_end(guest, QEMU's log)` looks at it before it goes.

        A guest that does not come up is looked at as well. One for which `keep()` is true lives on.
        """

        def look(guest: Guest) -> None:
            at_end(guest, self.emulator_log(guest))

        return self.pool.lend(lambda: self.fresh(plan), look, keep)

    def boot(self, plan: GuestPlan, gdb: int | None = None) -> Guest:
        """A guest booted from power-on; once more, as is said, if the emulator broke the first."""
        return self._twice(plan, lambda: self._boot(plan, gdb))

    def _twice(self, plan: GuestPlan, boot: Callable[[], Guest]) -> Guest:
        try:
            return boot()
        except EmulatorFault as fault:
            why, _, _ = str(fault).partition("\n")
            say(f"{plan.image.kernel.release} is booted once more: {why}")
            return boot()

    def _boot(
        self, plan: GuestPlan, gdb: int | None = None, memory: Mapping[int, Path] | None = None
    ) -> Guest:
        """A booted guest; `memory` are files that those of its nodes are to be in."""
        files = memory or {}
        guest = self.pool.add(plan, self.pool.new_name(), self.hypervisor, "booted")
        try:
            remember(self.pool.directory.path, plan.devices)
            xml = with_node_files(plan.xml(guest.name, guest.channels, gdb), files, "shared")
            with guest.timeline.span("libvirt starts QEMU"):
                domain = self.hypervisor.create(self._sooner_there(xml), memory=files)
            guest.adopt(domain, self._pid_file(guest.name))
            guest.await_kernel(self.boot_deadline)
            if plan.boot_task:
                guest.await_boot_task(plan.boot_task, self.boot_deadline)
            guest.control.connect(self.boot_deadline)
        except BaseException:
            self.release(guest)
            raise
        return guest

    def release(self, guest: Guest) -> None:
        """Destroy a guest off the critical path; its logs stay until all are closed."""
        self.pool.release(guest)

    def close(self) -> None:
        """End every guest and leave nothing behind."""
        self._spare.close()
        self.pool.end()
        try:
            self.hypervisor.close()
            if self.hypervisor.embedded:
                keep_capabilities(self._root, self.cache)
        except (HotremoveError, OSError):
            pass  # the guests are gone; what is left is a cache entry less
        finally:
            self.pool.directory.remove()

    def emulator_log(self, guest: Guest) -> Path:
        """What QEMU itself said (embedded driver only)."""
        return self._root / "log/qemu" / f"{guest.name}.log"

    def _pid_file(self, name: str) -> Path | None:
        return self._root / "run/qemu" / f"{name}.pid" if self.hypervisor.embedded else None

    def _boot_for_gdb(self, plan: GuestPlan, port: int) -> Guest:
        """A booted guest that a debugger has stopped; from here on nothing times out."""
        guest = self.boot(plan, port)
        CLOCK.stop()
        attach = f"gdb {plan.boot.kernel} -ex 'target remote 127.0.0.1:{port}'"
        with waiting(f"waiting for `{attach}`; the test goes on with gdb's `continue`"):
            wait_until(guest.is_paused, 1, guest.check)
        return guest

    def _snapshot(self, plan: GuestPlan) -> Snapshot:
        key = self._snapshot_key(plan)
        return Snapshot(self.cache.get(snapshot.KIND, key, lambda target: self._save(plan, target)))

    def _snapshot_key(self, plan: GuestPlan) -> str:
        written_by = (Path(snapshot.__file__), Path(machine_state.__file__))
        return digest(plan.key, self.hypervisor.version(), *written_by)

    def _save(self, plan: GuestPlan, target: Path) -> None:
        with waiting(f"booting {plan.image.kernel.release} once, to be restored for each test"):
            guest, memory = self._boot_for_saving(plan, target)
            try:
                snapshot.save(guest, target, memory)
            finally:
                self.release(guest)
                self.pool.finish_destroys()

    def _boot_for_saving(self, plan: GuestPlan, target: Path) -> tuple[Guest, dict[int, Path]]:
        """A booted guest, and files with the memory of its nodes.

        There are none where QEMU cannot map them, as on some network's file system.
        """
        files = snapshot.node_files(plan.topology, target)

        def boot() -> Guest:
            snapshot.make_node_files(plan.topology, target)
            return self._boot(plan, memory=files)

        try:
            return self._twice(plan, boot), files
        except HotremoveError as error:
            # A QEMU that finds no room for its memory's file is killed by SIGBUS.
            with host_errors(f"saving a guest in {target}"):
                machine_state.check_space(target)
            if not isinstance(error, HostProblem):
                raise
        snapshot.remove_files(files)
        return self.boot(plan), {}

    def _restore(self, plan: GuestPlan, saved: Snapshot) -> Guest:
        with TIMELINE.span("verify the saved guest"):
            self._verify(saved)
        with TIMELINE.span("wait for the spare guest"):
            spare = self._spare.take(plan)
        made = (spare.name, spare.channels) if spare else self._new_names()
        guest = self.pool.add(plan, made[0], self.hypervisor, "restored", made[1])
        try:
            with guest.timeline.span("libvirt restores"):
                domain = spare.domain if spare else self._load(saved, *made)
                guest.adopt(domain, self._pid_file(guest.name))
                self.hypervisor.go_on(guest.name, domain)
            guest.control.connect(RESTORE_DEADLINE)
            guest.refresh()
        except BaseException:
            self.release(guest)
            self.pool.finish_destroys()
            raise
        return guest

    def _new_names(self) -> tuple[str, Channels]:
        return self.pool.new_name(), self.pool.new_channels()

    def _load(self, saved: Snapshot, name: str, channels: Channels) -> Any:
        """A domain that has the state of a saved guest, and whose CPUs are stopped."""
        xml = self._sooner_there(saved.xml(name, channels))
        found = saved.identity
        return self.hypervisor.restore_state(
            name,
            saved.state,
            xml,
            saved.openable_memory(self.pool.directory.path),
            is_same=lambda: saved.identity == found,
        )

    def prepare(self, plan: GuestPlan) -> None:
        """Begin to restore the guest that will be asked for next, where one is saved.

        Nobody waits for it. Its CPUs are stopped until then; if another is asked for, it is ended.
        """
        if self._is_restored(plan):
            self._spare.prepare(plan)

    def _load_spare(self, plan: GuestPlan) -> Loaded:
        """Raises a GuestLost where nobody has looked at the saved guest: that takes its time."""
        entry = self.cache.find(snapshot.KIND, self._snapshot_key(plan))
        if entry is None or entry not in self._verified:
            raise GuestLost("there is none that is known to be whole")
        made = self._new_names()
        return Loaded(plan, *made, self._load(Snapshot(entry), *made))

    def _end_spare(self, spare: Loaded) -> None:
        guest = Guest(spare.plan, spare.name, spare.channels, self.hypervisor, "restored")
        with suppress(HotremoveError):  # it has ended
            guest.adopt(spare.domain, self._pid_file(spare.name))
        self.pool.destroy(guest)

    def _sooner_there(self, xml: str) -> str:
        """A domain without an enquiry that takes libvirt as long as all the rest."""
        return without_capability(xml, FEATURE_BY_FEATURE) if self._enquires else xml

    @cached_property
    def _enquires(self) -> bool:
        return self.hypervisor.embedded and can_do(self._root, FEATURE_BY_FEATURE)

    def _verify(self, saved: Snapshot) -> None:
        """Verify a snapshot when this process first uses it."""
        if saved.directory not in self._verified:
            saved.verify()
            self._verified.add(saved.directory)
