# SPDX-License-Identifier: Apache-2.0
"""Where a worker's guests are to run, as the options say."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from hotremove.cache import Cache
from hotremove.guest.local import LocalGuests
from hotremove.guest.source import GuestSource
from hotremove.remote.slots import HostLoss, SlotAllocator
from hotremove.session.options import Options


class GuestAllocator(Protocol):
    """Finds a source of guests, and another one if that is lost."""

    @property
    def source(self) -> GuestSource | None:
        """The one that was found; None so far."""

    def allocate(self) -> GuestSource:
        """The one that was found, or the first to be had; waits for it.

        Raises:
            HostProblem: there is none.
        """

    def try_to_allocate(self) -> GuestSource | None:
        """The same, or None where that would mean to wait for others."""

    def leave_lost_host(self) -> HostLoss | None:
        """Give up the host that guests ran on if it, or the slot there, is lost."""


class LocalAllocator:
    """This machine, which nobody has to wait for and which is not lost."""

    def __init__(self, connect: Callable[[], LocalGuests]) -> None:
        """`connect()` is called when somebody first asks for guests."""
        self._connect = connect
        self._source: LocalGuests | None = None

    @property
    def source(self) -> LocalGuests | None:
        """This machine's guests, once somebody has asked for some."""
        return self._source

    def allocate(self) -> LocalGuests:
        """This machine's guests.

        Raises:
            HostProblem: libvirt does not answer, or a directory cannot be made.
        """
        if not self._source:
            self._source = self._connect()
        return self._source

    def try_to_allocate(self) -> LocalGuests:
        """The same."""
        return self.allocate()

    def leave_lost_host(self) -> None:
        """Nothing: without this machine nobody would ask."""


def make_allocator(options: Options, cache: Cache, worker: str) -> GuestAllocator:
    """The slots of the hosts that the options name, or else this machine; nobody is asked yet."""
    if options.hosts:
        return SlotAllocator(
            options.hosts, cache, worker, options.fresh_boot, options.boot_deadline
        )
    return LocalAllocator(
        partial(
            LocalGuests,
            cache,
            options.uri,
            options.fresh_boot,
            options.boot_deadline,
            options.gdb,
            worker,
        )
    )
