# SPDX-License-Identifier: Apache-2.0
"""The kernel's trace of events, as its file `trace` prints it (Documentation/trace/events.rst)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hotremove.errors import HotremoveError
from hotremove.observe.pagemap import PfnRuns

LONGTERM_PIN = "longterm_pin"
"""The reason of migrations for a long-term pin (include/trace/events/migrate.h, from 5.13)."""

# `# entries-in-buffer/entries-written: 12/12   #P:2`
_ENTRIES = re.compile(r"^# entries-in-buffer/entries-written: (\d+)/(\d+)", re.MULTILINE)
_MIGRATED = re.compile(
    r": mm_migrate_pages: nr_succeeded=(\d+) nr_failed=(\d+) .*\breason=(\w+)\s*$", re.MULTILINE
)
_ISOLATED = re.compile(
    r": test_pages_isolated: start_pfn=(0x[0-9a-f]+) end_pfn=(0x[0-9a-f]+) .*\bret=success\s*$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Migration:
    """An event mm_migrate_pages: pages that moved and pages that did not, and why they had to."""

    succeeded: int
    failed: int
    reason: str


@dataclass(frozen=True)
class Trace:
    """What was traced.

    Attributes:
        migrations: calls of migrate_pages(), in their order.
        isolated: page frames that were found free and isolated, as an offline needs them to end
            (test_pages_isolated).
    """

    migrations: tuple[Migration, ...]
    isolated: PfnRuns

    @property
    def succeeded(self) -> int:
        """Pages that moved, for whatever reason."""
        return sum(one.succeeded for one in self.migrations)

    @property
    def failed(self) -> int:
        """Attempts that failed."""
        return sum(one.failed for one in self.migrations)

    def moved_for(self, reason: str) -> int:
        """Pages that moved for a reason."""
        return sum(one.succeeded for one in self.migrations if one.reason == reason)


def parse_trace(text: str) -> Trace:
    """Read a trace.

    Raises:
        HotremoveError: it is none, or the kernel dropped events of it.
    """
    entries = _ENTRIES.search(text)
    if not entries:
        raise HotremoveError(f"this is no trace of events: {text[:60]!r}")
    if entries[1] != entries[2]:
        raise HotremoveError(f"the kernel kept {entries[1]} of {entries[2]} trace events")
    return Trace(
        tuple(Migration(int(ok), int(bad), why) for ok, bad, why in _MIGRATED.findall(text)),
        PfnRuns.of(_run(*ends) for ends in _ISOLATED.findall(text)),
    )


def _run(first: str, end: str) -> tuple[int, int]:
    return int(first, 16), int(end, 16) - int(first, 16)
