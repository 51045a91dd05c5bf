# SPDX-License-Identifier: Apache-2.0
"""The books of a scenario's guest: opened when it gets the guest, closed after it went well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hotremove.memory.outcome import Outcome
from hotremove.plugin.lending import BOOKS, removals_of

if TYPE_CHECKING:
    from hotremove.guest.machine import Guest


def open_books(item: pytest.Item, guest: Guest) -> None:
    """Note what the guest has, unless the scenario is marked to leave something behind."""
    from hotremove.memory.books import GuestBooks

    if item.get_closest_marker("open_books") is None:
        with guest.timeline.span("open the books"):
            item.stash[BOOKS] = GuestBooks(guest)


def close_books(item: pytest.Item) -> None:
    """Give back what the scenario holds, and require that everything adds up.

    A guest that has ended, as the scenario wanted it, has no books; nor has one in which a removal
    hangs on what no holder of the scenario has: such a guest is thrown away.

    Raises:
        BooksOpen: with what does not.
        HolderStuck, GuestLost, GuestDied: as `GuestBooks.close`.
    """
    __tracebackhide__ = True
    books = item.stash.get(BOOKS, None)
    if books is None or books.guest.ended:
        return
    last = next(reversed(removals_of(item)), None)
    held_up = last is not None and last.outcome is Outcome.STUCK
    if held_up and last is not None and not last.pins:
        return
    books.close(held_up)
