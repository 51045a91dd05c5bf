# SPDX-License-Identifier: Apache-2.0
"""What a file of kernels/sources/ says of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hotremove.cache import Cache
from hotremove.kernels.kernel import Kernel


@dataclass(frozen=True)
class Source:
    """One kind of kernel: how its specs are spelled, and what resolves the text after the colon.

    Attributes:
        spelling: `SCHEME:REST`, or the scheme alone.
        resolve: the kernel of the rest; raises UsageProblem and HostProblem.
    """

    spelling: str
    resolve: Callable[[str, Cache], Kernel]

    @property
    def scheme(self) -> str:
        """What its specs begin with."""
        return self.spelling.partition(":")[0]
