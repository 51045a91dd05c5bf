# SPDX-License-Identifier: Apache-2.0
"""Where guests come from: booted once, saved, restored fresh for each test."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from hotremove.cache import Cache, digest, host_errors
from hotremove.errors import GuestLost, HotremoveError
from hotremove.guest.domain import Channels, move_channels
from hotremove.guest.embedded import keep_capabilities, prepare_root
from hotremove.guest.hypervisor import Hypervisor
from hotremove.guest.machine import Guest
from hotremove.guest.plan import GuestPlan
from hotremove.guest.run_directory import RunDirectory
from hotremove.progress import waiting

# From power-on to the agent's greeting, in seconds: 4 s on an idle machine under TCG.
BOOT_DEADLINE = 120.0
RESTORE_DEADLINE = 60.0


class Stable:
    """The guests of one process; none outlives it."""

    def __init__(self, cache: Cache, uri: str | None = None, fresh_boot: bool = False) -> None:
        """Connect to `uri`, by default to libvirt's embedded driver in a directory of its own.

        Raises:
            HostProblem: libvirt does not answer, or a directory cannot be made.
        """
        self.cache = cache
        self.fresh_boot = fresh_boot
        self.directory = RunDirectory.make()
        self._root = self.directory.path / "root"
        self._numbers = count(1)
        self._guests: list[Guest] = []
        self._latest: Guest | None = None
        self._farewells: list[threading.Thread] = []
        try:
            uri = uri or prepare_root(self._root, cache)
            self.hypervisor = Hypervisor(uri, self.directory.path / "libvirt.log")
        except BaseException:
            self.directory.remove()
            raise

    def fresh(self, plan: GuestPlan) -> Guest:
        """A guest that nobody has used, ready to take commands.

        Raises:
            GuestDied, GuestLost: it did not come up.
            HostProblem: QEMU or the disk refuses.
        """
        self._see_off()
        if self.fresh_boot or not self.hypervisor.embedded:
            return self.boot(plan)
        snapshot = self._snapshot(plan)
        try:
            return self._restore(plan, snapshot)
        except GuestLost:
            # A damaged snapshot must not cost a verdict: it is made again, once.
            self.cache.discard("snapshots", snapshot.name)
            return self._restore(plan, self._snapshot(plan))

    @contextmanager
    def lend(
        self, plan: GuestPlan, see_off: Callable[[Guest, Path], None] = lambda _guest, _log: None
    ) -> Iterator[Guest]:
        """A fresh guest for one test; `see_off(guest, QEMU's log)` looks at it before it goes.

        A guest that does not come up is looked at as well.
        """
        self._latest = None
        try:
            yield self.fresh(plan)
        finally:
            if self._latest:
                try:
                    see_off(self._latest, self.emulator_log(self._latest))
                finally:
                    self.release(self._latest)

    def boot(self, plan: GuestPlan, gdb: int | None = None) -> Guest:
        """A guest booted from power-on."""
        number = next(self._numbers)
        guest = self._new(plan, f"hotremove-{self.directory.path.name[-8:]}-{number}", "booted")
        try:
            xml = plan.xml(guest.name, guest.channels, gdb)
            guest.adopt(self.hypervisor.create(xml), self._pid_file(guest.name))
            guest.control.connect(BOOT_DEADLINE)
        except BaseException:
            self.release(guest)
            raise
        return guest

    def release(self, guest: Guest) -> None:
        """Destroy a guest off the critical path; its logs stay until the stable closes."""
        if guest in self._guests:
            self._guests.remove(guest)
            farewell = threading.Thread(target=guest.destroy, name=f"destroy-{guest.name}")
            farewell.start()
            self._farewells.append(farewell)

    def close(self) -> None:
        """End every guest and leave nothing behind."""
        for guest in list(self._guests):
            self.release(guest)
        self._see_off()
        try:
            self.hypervisor.close()
            if self.hypervisor.embedded:
                keep_capabilities(self._root, self.cache)
        except (HotremoveError, OSError):
            pass  # the guests are gone; what is left is a cache entry less
        finally:
            self.directory.remove()

    def emulator_log(self, guest: Guest) -> Path:
        """What QEMU itself said (embedded driver only)."""
        return self._root / "log/qemu" / f"{guest.name}.log"

    def _see_off(self) -> None:
        for farewell in self._farewells:
            farewell.join()
        self._farewells.clear()

    def _new(self, plan: GuestPlan, name: str, origin: str) -> Guest:
        folder = self.directory.guest(f"{next(self._numbers)}")
        guest = Guest(plan, name, Channels(folder), self.hypervisor, origin)
        self._guests.append(guest)
        self._latest = guest
        return guest

    def _pid_file(self, name: str) -> Path | None:
        return self._root / "run/qemu" / f"{name}.pid" if self.hypervisor.embedded else None

    def _snapshot(self, plan: GuestPlan) -> Path:
        key = digest(plan.key, self.hypervisor.version(), Path(__file__))
        return self.cache.get("snapshots", key, lambda target: self._save(plan, target))

    def _save(self, plan: GuestPlan, target: Path) -> None:
        with waiting(f"booting {plan.image.kernel.release} once, to be restored for each test"):
            guest = self.boot(plan)
            try:
                _save_guest(guest, target)
            finally:
                self.release(guest)
                self._see_off()

    def _restore(self, plan: GuestPlan, snapshot: Path) -> Guest:
        name = (snapshot / "name").read_text()
        guest = self._new(plan, name, "restored")
        try:
            xml = (snapshot / "domain.xml").read_text()
            xml = move_channels(xml, Channels(Path("/saved")), guest.channels)
            domain = self.hypervisor.restore(name, snapshot / "memory", xml)
            guest.adopt(domain, self._pid_file(name))
            guest.control.connect(RESTORE_DEADLINE)
            guest.refresh()
        except BaseException:
            self.release(guest)
            self._see_off()
            raise
        return guest


def _save_guest(guest: Guest, target: Path) -> None:
    """Save a booted guest with what is needed to restore it: its XML, its name, its boot's log."""
    hypervisor = guest.hypervisor
    guest.dmesg()
    guest.control.close()
    image = target / "memory"
    with host_errors(f"saving a guest in {target}"):
        xml = hypervisor.save(guest.domain, image)
        xml = move_channels(xml, guest.channels, Channels(Path("/saved")))
        (target / "domain.xml").write_text(xml)
        (target / "name").write_text(guest.name)
        shutil.copy(guest.console.path, target / "boot-console.log")
        shutil.copy(guest.evidence.path, target / "boot-evidence.log")
