# SPDX-License-Identifier: Apache-2.0
"""While the tests of one kernel run, the next is fetched."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pytest

from hotremove.plugin.parametrize import kernel_of
from hotremove.plugin.run import farm_of

if TYPE_CHECKING:
    from hotremove.kernels.kernel import Candidate

_LAST: pytest.StashKey[Candidate | None] = pytest.StashKey()


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
