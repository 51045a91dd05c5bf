# SPDX-License-Identifier: Apache-2.0
"""A guest for the running test, with its evidence kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from hotremove.observe.timeline import TIMELINE
from hotremove.plugin import parts
from hotremove.plugin.debugging import should_keep

if TYPE_CHECKING:
    from pathlib import Path

    from hotremove.guest.machine import Guest
    from hotremove.guest.plan import GuestPlan
    from hotremove.memory.books import GuestBooks
    from hotremove.memory.removal import Removal
    from hotremove.results.evidence import Evidence
    from hotremove.session.farm import Farm
    from hotremove.session.memory_budget import MemoryBudget

GUEST: pytest.StashKey[Guest] = pytest.StashKey()
"""On an item: the guest of its running test."""
EVIDENCE: pytest.StashKey[Evidence] = pytest.StashKey()
"""On an item: where its evidence goes."""
BOOKS: pytest.StashKey[GuestBooks] = pytest.StashKey()
"""On an item: its guest's books."""
_REMOVALS: pytest.StashKey[list[Removal]] = pytest.StashKey()
"""On an item: what was tried on its guests' memory."""


def removals_of(item: pytest.Item) -> list[Removal]:
    """What a test has tried so far on its guests' memory; whoever removes some adds to it."""
    return item.stash.setdefault(_REMOVALS, [])


def forget_guest(item: pytest.Item) -> None:
    """Make a test one that has had no guest."""
    keys: tuple[pytest.StashKey[Any], ...] = (GUEST, EVIDENCE, BOOKS, _REMOVALS)
    for key in keys:
        if key in item.stash:
            del item.stash[key]
    parts.forget(item)


@contextmanager
def lent(
    item: pytest.Item,
    farm: Farm,
    plan: GuestPlan,
    budget: MemoryBudget,
    mib: int,
    more: Sequence[str],
) -> Iterator[Guest]:
    """A fresh guest for the running test, with its evidence kept.

    It waits for `mib` MiB of the budget. `more` are options that the test's id depends on.
    """
    from hotremove.results.evidence import Evidence

    evidence = Evidence.open(farm.options.artifacts, item.nodeid)
    item.stash[EVIDENCE] = evidence
    # By its whole path: below --pyargs an id names no file that pytest would find again.
    test = "::".join((str(item.path), item.nodeid.partition("::")[2]))
    words = map(str, item.config.invocation_params.args)
    evidence.before(test, plan, item.config.rootpath, words, more)

    def at_end(guest: Guest, emulator_log: Path | None) -> None:
        TIMELINE.take_in(guest.timeline)
        with TIMELINE.span("keep evidence"):
            evidence.after(removals_of(item), guest, emulator_log)

    with ExitStack() as held:
        with TIMELINE.span("wait for memory"):
            held.enter_context(budget.take(mib))
        lend = farm.guest_source.lend(plan, at_end, partial(should_keep, item))
        item.stash[GUEST] = fresh = held.enter_context(lend)
        fresh.timeline.until_now(fresh.origin)
        with TIMELINE.span("keep evidence"):
            evidence.started(fresh)
        yield fresh
