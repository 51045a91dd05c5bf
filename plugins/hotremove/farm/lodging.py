# SPDX-License-Identifier: Apache-2.0
"""Where a worker's guests run: a slot of a host that answers, and another if that is lost."""

from __future__ import annotations

import time

from hotremove.cache import Cache
from hotremove.errors import GuestLost, HostProblem
from hotremove.farm.far_stable import FarStable, SlotTaken
from hotremove.farm.hosts import Host
from hotremove.farm.lease import Slot, slots_of, try_lease
from hotremove.options import Options
from hotremove.progress import waiting

# Seconds between two looks for a free slot.
_PAUSE = 0.5


class Lodging:
    """The hosts of a run, as one worker has found them."""

    def __init__(self, options: Options, cache: Cache, worker: str) -> None:
        """Nobody is asked yet; `worker` is who leases."""
        self._options = options
        self._cache = cache
        self._worker = worker
        self._dead: dict[Host, str] = {}
        self._taken: set[Slot] = set()

    def lease(self) -> FarStable:
        """Guests in a slot of a host that answers, once one is free.

        Raises:
            HostProblem: no host answers, or other farms have all slots.
        """
        stable = self.try_to_lease()
        if not stable:
            number = len(self._hopeful_slots())
            with waiting(f"waiting for one of {number} slots, which others hold"):
                while not (stable := self.try_to_lease()):
                    time.sleep(_PAUSE)
        return stable

    def try_to_lease(self) -> FarStable | None:
        """The same, or None where others hold all slots now."""
        options = self._options
        while slots := self._hopeful_slots():
            lease = try_lease(slots, self._cache, self._worker)
            if not lease:
                return None
            try:
                return FarStable(self._cache, lease, options.fresh_boot, options.boot_deadline)
            except (SlotTaken, GuestLost):
                self._taken.add(lease.slot)
            except HostProblem as problem:
                self._dead[lease.slot.host] = str(problem)
            lease.release()
        raise HostProblem(self._no_slot())

    def give_up(self, stable: FarStable) -> None:
        """Ask no more for the slot of guests that were lost, or for its host if that is dead."""
        if stable.alive:
            self._taken.add(stable.lease.slot)
        else:
            self._dead[stable.host] = "it answers no more"
        stable.close()

    def _hopeful_slots(self) -> list[Slot]:
        slots = slots_of(self._options.hosts)
        return [s for s in slots if s.host not in self._dead and s not in self._taken]

    def _no_slot(self) -> str:
        told = [f"{host.name}: {why}" for host, why in self._dead.items()]
        if self._taken:
            number = len(self._taken)
            told.append(f"another farm's guest, or one that does not end, in {number} slots")
        return f"no host of {len(self._options.hosts)} is to be had: {'; '.join(told)}"
