# SPDX-License-Identifier: Apache-2.0
"""One kernel that a source has, before anybody has fetched or built it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Offer:
    """A kernel that can be asked for.

    Attributes:
        spec: what `--hotremove-kernel` takes, and what names this one kernel for good.
        version: as its results will have it, `6.12.118-1`; for a commit what git describes it as;
            of what is built with fragments, those behind it: `6.12.118-1+all`.
        date: of a commit, ISO 8601; packages lists have none.
        lacks: packages of it that the archive no longer has: it cannot be run.
        modules: whether its headers are there, so that the farm's modules can be built.
    """

    spec: str
    version: str
    date: str = ""
    lacks: tuple[str, ...] = ()
    modules: bool = True

    @property
    def source(self) -> str:
        """What it comes from: the spec without the part that picks one kernel."""
        scheme, _, rest = self.spec.partition(":")
        mark = "#" if scheme == "git" else "/"
        return f"{scheme}:{rest.partition(mark)[0] if mark in rest else rest}"
