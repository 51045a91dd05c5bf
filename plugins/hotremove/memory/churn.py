# SPDX-License-Identifier: Apache-2.0
"""What else moves, merges and frees pages while memory is removed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from hotremove.errors import HotremoveError
from hotremove.guest.machine import Guest
from hotremove.observe.counters import Counters, delta, parse_vmstat

# What goes on by itself, as far as the kernel has it: (file, what is written).
_SETTINGS = (
    ("/proc/sys/kernel/numa_balancing", "1"),
    ("/sys/kernel/mm/transparent_hugepage/enabled", "always"),
    ("/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs", "10"),
    ("/sys/kernel/mm/transparent_hugepage/khugepaged/alloc_sleep_millisecs", "10"),
    ("/sys/kernel/mm/ksm/sleep_millisecs", "10"),
    ("/sys/kernel/mm/ksm/pages_to_scan", "1000"),
    ("/sys/kernel/mm/ksm/run", "1"),
)
# What is done over and over, in an order that chance decides.
_ACTIONS = (
    "echo 1 >/proc/sys/vm/compact_memory",
    "echo 3 >/proc/sys/vm/drop_caches",
    "for n in 1 2 3 4 5 6 7 8; do (:) & done; wait",
)
_LENGTH = 24
_TURNS = "/run/churn"
_ENDS = 20.0


class Churn:
    """Compaction, reclaim and forks in a loop; NUMA balancing, khugepaged and KSM by themselves."""

    def __init__(self, guest: Guest) -> None:
        """Nothing goes on yet."""
        self.guest = guest

    @contextmanager
    def going_on(self, rng: Random) -> Iterator[None]:
        """All of it, as long as the block lasts.

        Raises:
            HotremoveError: no turn of the loop ended, or no memory was compacted.
        """
        self._set_up()
        before = self._vmstat()
        actions = "; ".join(rng.choice(_ACTIONS) for _ in range(_LENGTH))
        # The first turn is of all, whatever chance decides.
        first = "; ".join(_ACTIONS)
        turn = f"printf x >>{_TURNS}"
        job = self.guest.control.start(
            f": >{_TURNS}; {first}; {turn}; while :; do {actions}; {turn}; done"
        )
        try:
            yield
            self._require_turns(before)
        finally:
            self.guest.control.kill(job, signal.SIGKILL)
            self.guest.control.wait(job, _ENDS)

    def _set_up(self) -> None:
        self.guest.control.run(
            "; ".join(f"test ! -e {path} || echo {text} >{path}" for path, text in _SETTINGS)
        )

    def _vmstat(self) -> Counters:
        return parse_vmstat(self.guest.control.read("/proc/vmstat"))

    def _require_turns(self, before: Counters) -> None:
        """Wait for the end of a turn, if the removal was faster than the first."""
        waited = f"n=0; while ! test -s {_TURNS} && test $n -lt 100; do sleep 0.1; n=$((n+1)); done"
        self.guest.control.run(waited)
        if not self.guest.control.read(_TURNS):
            raise HotremoveError("the load that was to go on did not")
        scanned = delta(before, self._vmstat()).values.get("compact_migrate_scanned", 0)
        if not scanned:
            raise HotremoveError("no memory was compacted meanwhile")
