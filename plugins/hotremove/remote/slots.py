# SPDX-License-Identifier: Apache-2.0
"""Where a worker's guests run: a slot of a host that answers, and another if that is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hotremove.cache import Cache
from hotremove.errors import GuestLost, HostProblem
from hotremove.patience import wait_for_others
from hotremove.remote.hosts import Host
from hotremove.remote.lease import Slot, slots_of, try_lease
from hotremove.remote.remote_guests import RemoteGuests, SlotTaken

# Seconds between two looks for a free slot.
_PAUSE = 0.5


@dataclass(frozen=True)
class HostLoss:
    """What a worker has lost.

    Attributes:
        host: the name of the host that its guests ran on.
        host_died: whether the host answers no more; else another farm has come by the slot.
    """

    host: str
    host_died: bool

    def __str__(self) -> str:
        return f"its host {self.host}" if self.host_died else f"its slot on {self.host}"


class SlotAllocator:
    """The hosts of a run, as one worker has found them."""

    def __init__(
        self,
        hosts: Sequence[Host],
        cache: Cache,
        worker: str,
        fresh_boot: bool,
        boot_deadline: float,
    ) -> None:
        """Nobody is asked yet; `worker` is who leases, the last two are how guests are made."""
        self._hosts = hosts
        self._fresh_boot = fresh_boot
        self._boot_deadline = boot_deadline
        self._cache = cache
        self._worker = worker
        self._dead: dict[Host, str] = {}
        self._lost: set[Slot] = set()
        self._leased: RemoteGuests | None = None

    @property
    def source(self) -> RemoteGuests | None:
        """The guests of the slot that is leased, if one is."""
        return self._leased

    def allocate(self) -> RemoteGuests:
        """Guests in a slot of a host that answers, once one is free.

        Raises:
            HostProblem: no host answers, or others hold the slots for hours.
        """
        if not self._leased:
            wait_for_others(
                lambda: self.try_to_allocate() is not None,
                f"waiting for one of {len(self._hopeful_slots())} slots, which others hold",
                "`hotremove hosts` shows who has them",
                _PAUSE,
            )
        assert self._leased
        return self._leased

    def try_to_allocate(self) -> RemoteGuests | None:
        """The same, or None where others hold all slots now, be it of this farm or of another."""
        self._leased = self._leased or self._lease_a_free_slot()
        return self._leased

    def _lease_a_free_slot(self) -> RemoteGuests | None:
        taken: set[Slot] = set()
        while slots := self._hopeful_slots():
            free = (slot for slot in slots if slot not in taken)
            lease = try_lease(free, self._cache, self._worker)
            if not lease:
                return None
            try:
                return RemoteGuests(self._cache, lease, self._fresh_boot, self._boot_deadline)
            except SlotTaken:
                taken.add(lease.slot)
            except (GuestLost, HostProblem) as problem:
                self._dead[lease.slot.host] = str(problem)
            lease.release()
        dead = "; ".join(f"{host.name}: {why}" for host, why in self._dead.items())
        raise HostProblem(f"no host of {len(self._hosts)} is to be had: {dead}")

    def leave_lost_host(self) -> HostLoss | None:
        """Let go of guests that were lost: with their host, or only with its slot."""
        guests = self._leased
        if not guests or guests.usable:
            return None
        self._leased = None
        loss = HostLoss(guests.host.name, not guests.alive)
        if loss.host_died:
            self._dead[guests.host] = "it answers no more"
        else:
            self._lost.add(guests.lease.slot)
        guests.close()
        return loss

    def _hopeful_slots(self) -> list[Slot]:
        """Those of hosts that are not known to be dead; last, those that other farms came by."""
        slots = (slot for slot in slots_of(self._hosts) if slot.host not in self._dead)
        return sorted(slots, key=lambda slot: slot in self._lost)
