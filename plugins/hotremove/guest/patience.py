# SPDX-License-Identifier: Apache-2.0
"""How long is waited for what a guest's kernel may never do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """What a kernel is given before it counts as stuck; less where it is broken to get stuck.

    Attributes:
        holder: seconds that a holder is given for a command; a GiB that it has more takes longer.
            Faulting or pinning 1 GiB takes some seconds under TCG; the default is far beyond both.
        ends_on_sight: whether a removal counts as stuck as soon as the kernel names a page that it
            cannot move and that a long-term pin of the test holds, before its time is up.
    """

    holder: float = 120.0
    ends_on_sight: bool = False
