# SPDX-License-Identifier: Apache-2.0
"""The guests that a source has made, from their folders to their ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from hotremove.guest.machine import Guest
from hotremove.guest.plan import GuestPlan
from hotremove.observe.timeline import TIMELINE
from hotremove.virt.domain import Channels
from hotremove.virt.hypervisor import Hypervisor
from hotremove.virt.run_directory import RunDirectory


class GuestPool:
    """None of them outlives the process but those that are kept.

    Attributes:
        directory: has the guests' sockets and logs.
    """

    def __init__(self, worker: str, after_release: Callable[[], None] = lambda: None) -> None:
        """`worker` names one of several processes of the run.

        `after_release` is called when a guest has begun to be destroyed.

        Raises:
            HostProblem: a directory cannot be made.
        """
        self.directory = RunDirectory.make(worker)
        self._after_release = after_release
        self._numbers = count(1)
        self._guests: list[Guest] = []
        self._kept: list[Guest] = []
        self._latest: Guest | None = None
        self._pending_destroys: list[threading.Thread] = []

    @property
    def guests(self) -> tuple[Guest, ...]:
        """Those that are in use."""
        return tuple(self._guests)

    @property
    def kept(self) -> tuple[Guest, ...]:
        """Those that live on after the run."""
        return tuple(self._kept)

    def new_name(self) -> str:
        """A name that no other guest has."""
        return f"{self.directory.path.name}-{next(self._numbers)}"

    def new_channels(self) -> Channels:
        """Channels in a folder of their own."""
        return Channels(self.directory.guest(f"{next(self._numbers)}"))

    def add(
        self,
        plan: GuestPlan,
        name: str,
        hypervisor: Hypervisor,
        origin: str,
        channels: Channels | None = None,
    ) -> Guest:
        """A guest that has no domain yet, and channels in a new folder unless it has some."""
        guest = Guest(plan, name, channels or self.new_channels(), hypervisor, origin)
        self._guests.append(guest)
        self._latest = guest
        return guest

    @contextmanager
    def lend(
        self,
        fresh: Callable[[], Guest],
        at_end: Callable[[Guest], None],
        keep: Callable[[], bool],
    ) -> Iterator[Guest]:
        """What `fresh()` makes, looked at by `at_end` and then destroyed, unless `keep()` is true.

        A guest that does not come up is looked at as well.
        """
        self._latest = lent = None
        try:
            lent = fresh()
            yield lent
        finally:
            guest = lent or self._latest
            if guest:
                try:
                    at_end(guest)
                finally:
                    self._part_with(guest, keep())

    def release(self, guest: Guest) -> None:
        """Destroy a guest off the critical path; its logs stay."""
        if guest in self._guests:
            self._guests.remove(guest)
            self.destroy(guest)
        self._after_release()

    def destroy(self, guest: Guest) -> None:
        """Begin to destroy a guest, be it in use or not."""
        destroying = threading.Thread(target=guest.destroy, name=f"destroy-{guest.name}")
        destroying.start()
        self._pending_destroys.append(destroying)

    def finish_destroys(self, but: int = 0) -> None:
        """Wait until the released guests are gone, but for so many of the latest."""
        ending = [one for one in self._pending_destroys if one.is_alive()]
        awaited = ending[: max(0, len(ending) - but)]
        if awaited:
            with TIMELINE.span("wait for the last guest's end"):
                for destroying in awaited:
                    destroying.join()
        self._pending_destroys = ending[len(awaited) :]

    def end(self) -> None:
        """Destroy all that are in use."""
        for guest in self.guests:
            self.release(guest)
        self.finish_destroys()

    def _part_with(self, guest: Guest, keep: bool) -> None:
        if not (keep and guest in self._guests and guest.process and guest.process.running):
            self.release(guest)
            return
        self._guests.remove(guest)
        self._kept.append(guest)
        guest.control.close()
        self.directory.keep(guest.process.pid)
