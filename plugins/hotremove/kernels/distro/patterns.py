# SPDX-License-Identifier: Apache-2.0
"""Which of a suite's kernels are meant: `*`, `6.12.*`, `>=6.12.43`, `>=6.12.43,<6.12.90`.

Kernels of a flavour (cloud, rt) are meant only by who names it: `*-cloud-amd64`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from hotremove.errors import UsageProblem
from hotremove.kernels.distro.debversion import sort_key

_SIGN = re.compile(r"[*?<>,]")
_BOUND = re.compile(r"(>=|<=|>|<)(\d[\w.+~:-]*)")
_GLOB = re.compile(r"[\w.+~:*?-]+")
_FLAVOUR = re.compile(r"-(cloud|rt)-")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True)
class Pattern:
    """What a version and a release have to be, in every clause."""

    bounds: tuple[tuple[str, str], ...]
    globs: tuple[str, ...]

    def fits(self, version: str, release: str) -> bool:
        """Whether a kernel is meant, by its package's version and by `uname -r`."""
        return (
            self._names(flavour(release))
            and all(_is_within(version, sign, bound) for sign, bound in self.bounds)
            and all(_is_like(glob, version, release) for glob in self.globs)
        )

    def _names(self, wanted: str) -> bool:
        return not wanted or any(flavour(glob) == wanted for glob in self.globs)


def is_pattern(text: str) -> bool:
    """Whether the text after a suite stands for several kernels."""
    return bool(_SIGN.search(text))


def parse(text: str) -> Pattern:
    """Take a pattern apart.

    Raises:
        UsageProblem: a clause makes no sense.

    Example:
        >>> parse(">=6.12.43,*-rt-amd64")
        Pattern(bounds=(('>=', '6.12.43'),), globs=('*-rt-amd64',))
    """
    bounds, globs = [], []
    for clause in text.replace(" ", "").split(","):
        if found := _BOUND.fullmatch(clause):
            bounds.append((found[1], found[2]))
        elif _GLOB.fullmatch(clause):
            globs.append(clause)
        else:
            raise UsageProblem(
                f"{text!r} means no kernels: write *, 6.12.*, >=6.12.43 or several with commas"
            )
    return Pattern(tuple(bounds), tuple(globs))


def flavour(release: str) -> str:
    """The flavour that a release or a pattern names: `cloud`, `rt` or none."""
    found = _FLAVOUR.search(release)
    return found[1] if found else ""


def _is_within(version: str, sign: str, bound: str) -> bool:
    """A bound without a revision is one for what is upstream: 6.12.43-1~bpo12+1 is <= 6.12.43."""
    told = version if "-" in bound else version.partition("-")[0]
    return _COMPARE[sign](sort_key(told), sort_key(bound))


def _is_like(glob: str, version: str, release: str) -> bool:
    return fnmatchcase(version, glob) or fnmatchcase(release, glob)
