# SPDX-License-Identifier: Apache-2.0
"""What else moves, merges and frees pages while memory is removed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from hotremove.errors import HotremoveError
from hotremove.guest.control import Job
from hotremove.guest.machine import Guest
from hotremove.observe.counters import Counters, delta, parse_vmstat
from hotremove.virt.polling import wait_until

# What goes on by itself, as far as the kernel has it: (file, what is written).
_SETTINGS = (
    ("/proc/sys/kernel/numa_balancing", "1"),
    # Milliseconds of a process's own time before the kernel looks at its memory, and between looks:
    # below debugfs from 5.13 on (8a99b6833c88).
    ("/proc/sys/kernel/numa_balancing_scan_delay_ms", "10"),
    ("/proc/sys/kernel/numa_balancing_scan_period_min_ms", "10"),
    ("/sys/kernel/debug/sched/numa_balancing/scan_delay_ms", "10"),
    ("/sys/kernel/debug/sched/numa_balancing/scan_period_min_ms", "10"),
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
# Memory for others to move, of so many MiB: guests/workloads/stir.c.
_STIRRED = 16
# Seconds until each has done something: two processors do it all, under TCG in some seconds.
_ACTS = 90.0
_KSM = "/sys/kernel/mm/ksm/pages_sharing"
# Who is meant to act, what there is where the kernel has it, and what counts that it acted.
_ACTORS = (
    ("compaction", "/proc/sys/vm/compact_memory", "compact_migrate_scanned"),
    ("NUMA balancing", "/proc/sys/kernel/numa_balancing", "numa_pte_updates"),
    ("khugepaged", "/sys/kernel/mm/transparent_hugepage/khugepaged", "thp_collapse_alloc"),
    ("KSM", _KSM, _KSM),
)


class Churn:
    """Compaction, reclaim and forks in a loop; NUMA balancing, khugepaged and KSM by themselves."""

    def __init__(self, guest: Guest) -> None:
        """Nothing goes on yet."""
        self.guest = guest

    @contextmanager
    def going_on(self, rng: Random) -> Iterator[None]:
        """All of it, as long as the block lasts, which begins when each has done something.

        Raises:
            HotremoveError: one does nothing, or no turn of the loop ended.
        """
        self._set_up()
        before = self._counted()
        actions = "; ".join(rng.choice(_ACTIONS) for _ in range(_LENGTH))
        # The first turn is of all, whatever chance decides.
        first = "; ".join(_ACTIONS)
        turn = f"printf x >>{_TURNS}"
        control = self.guest.control
        jobs = [
            control.start(f": >{_TURNS}; {first}; {turn}; while :; do {actions}; {turn}; done"),
            control.start(f"exec stir {self.guest.plan.topology.movable_node} {_STIRRED}"),
        ]
        try:
            self._require_action(before)
            yield
            self._require_going_on(jobs)
        finally:
            for job in jobs:
                control.kill(job, signal.SIGKILL)
                control.wait(job, _ENDS)

    def _set_up(self) -> None:
        self.guest.control.run(
            "; ".join(f"test ! -e {path} || echo {text} >{path}" for path, text in _SETTINGS)
        )

    def _counted(self) -> Counters:
        """What counts that somebody acted; pages that are merged now are KSM's."""
        found = self.guest.control.read_existing(["/proc/vmstat", _KSM])
        merged = {_KSM: int(found[_KSM])} if _KSM in found else {}
        return Counters({**parse_vmstat(found["/proc/vmstat"]).values, **merged})

    def _require_action(self, before: Counters) -> None:
        """Wait until each that the kernel has done something.

        Raises:
            HotremoveError: some did not.
        """
        there = self.guest.control.run("; ".join(f"ls -d {path}" for _, path, _ in _ACTORS)).text
        actors = [(who, counter) for who, path, counter in _ACTORS if path in there.split()]
        idle: list[str] = []

        def all_acted() -> bool:
            counted = delta(before, self._counted())
            idle[:] = [f"{who} ({counter})" for who, counter in actors if counted[counter] <= 0]
            return not idle

        if not wait_until(all_acted, _ACTS, self.guest.check):
            raise HotremoveError(f"nothing was done in {_ACTS:g} s by {', '.join(idle)}")

    def _require_going_on(self, jobs: list[Job]) -> None:
        """Wait for the end of a turn, if the removal was faster than the first.

        Raises:
            HotremoveError: no turn ended, or a job did.
        """
        self.guest.control.ping()  # an end is told before the answer
        if ended := [job.command for job in jobs if not job.running]:
            raise HotremoveError(f"the load that was to go on has ended: `{ended[0]}`")
        waited = f"n=0; while ! test -s {_TURNS} && test $n -lt 100; do sleep 0.1; n=$((n+1)); done"
        self.guest.control.run(waited)
        if not self.guest.control.read(_TURNS):
            raise HotremoveError("the load that was to go on did not")
