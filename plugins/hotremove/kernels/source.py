# SPDX-License-Identifier: Apache-2.0
"""What a file of kernels/sources/ says of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hotremove.cache import Cache
from hotremove.kernels.kernel import Candidate, Kernel


@dataclass(frozen=True)
class Expansion:
    """The kernels that one spec stands for.

    Attributes:
        kernels: those that can be had, each once, the oldest first.
        left_out: of the others the version, and what is gone of it.
        without_headers: those of the kernels that no modules can be built for.
    """

    kernels: tuple[Candidate, ...]
    left_out: tuple[str, ...] = ()
    without_headers: tuple[Candidate, ...] = ()


def expand_nothing(text: str, cache: Cache) -> Expansion | None:
    """For sources whose specs name one kernel each."""
    return None


@dataclass(frozen=True)
class Source:
    """One kind of kernel: how its specs are spelled, and what resolves the text after the colon.

    Attributes:
        spelling: `SCHEME:REST`, or the scheme alone.
        resolve: the kernel of the rest; raises UsageProblem and HostProblem.
        expand: the kernels of a rest that stands for several, None for one that does not; raises
            the same.
    """

    spelling: str
    resolve: Callable[[str, Cache], Kernel]
    expand: Callable[[str, Cache], Expansion | None] = expand_nothing

    @property
    def scheme(self) -> str:
        """What its specs begin with."""
        return self.spelling.partition(":")[0]
