# SPDX-License-Identifier: Apache-2.0
"""While one test runs, what the next needs is begun: its guest, and the kernel that follows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pytest

from hotremove.plugin.lending import GUEST
from hotremove.plugin.parametrize import kernel_of, memory_of
from hotremove.plugin.run import farm_of

if TYPE_CHECKING:
    from hotremove.kernels.kernel import Candidate

_LAST: pytest.StashKey[Candidate | None] = pytest.StashKey()
_NEXT: pytest.StashKey[pytest.Item | None] = pytest.StashKey()
"""On an item: the test that this process runs after it."""
# The fixture that has a guest, and the markers that say what guest it is.
_GUEST, _MARKERS = "guest", ("topology", "memory", "dimm")


def note_next(item: pytest.Item, following: pytest.Item | None) -> None:
    """Note which test comes after one."""
    item.stash[_NEXT] = following


def restore_next(item: pytest.Item) -> None:
    """Begin to restore the next test's guest, if it is to be one like this test's."""
    following, guest = item.stash.get(_NEXT, None), item.stash.get(GUEST, None)
    if following and guest and _guest_of(following) == _guest_of(item):
        farm_of(item.config).guest_source.prepare(guest.plan)


def _guest_of(item: pytest.Item) -> tuple[object, ...] | None:
    """What a test's guest is made from, as far as that is known without it; None if it has none."""
    if _GUEST not in getattr(item, "fixturenames", ()):
        return None
    markers = (item.get_closest_marker(name) for name in _MARKERS)
    return (kernel_of(item), memory_of(item), *(marker and marker.args for marker in markers))


def fetch_next(item: pytest.Item) -> None:
    """Begin with the kernel that follows, at the first test of one whose guest is there."""
    kernel = kernel_of(item)
    if kernel is None or kernel == item.config.stash.get(_LAST, None):
        return
    item.config.stash[_LAST] = kernel
    if following := kernel_after(kernel, item.session.items):
        farm_of(item.config).fetch_ahead(following)


def kernel_after(kernel: Candidate, items: Iterable[pytest.Item]) -> Candidate | None:
    """The kernel whose tests follow those of another; None for the last."""
    found = list(filter(None, dict.fromkeys(map(kernel_of, items))))
    following = found[found.index(kernel) + 1 :]
    return following[0] if following else None
