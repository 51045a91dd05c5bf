# SPDX-License-Identifier: Apache-2.0
"""What kernels are called in tables, and tests apart from the kernel they ran on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from hotremove.pincost.model import Cost
from hotremove.results.record import Result

UNNUMBERED = 999
"""Rows without a number stand behind the others."""


def kernel_names(results: Iterable[Result]) -> Mapping[str, str]:
    """The name of each kernel, by its spec: two specs never share one.

    It is the version as test ids have it, with the spec where that is another kernel's too.
    """
    return _distinct({result.kernel: result.kernel_label for result in results})


def costs_by_kernel(results: Iterable[Result]) -> Mapping[str, tuple[Cost, ...]]:
    """What pins cost, by the kernel's name; what several tests measured, as often."""
    told = list(results)
    return {
        name: tuple(cost for result in told if result.kernel == spec for cost in result.costs)
        for spec, name in kernel_names(told).items()
    }


def version_names(results: Iterable[Result]) -> Mapping[str, str]:
    """As `kernel_names`, by the most precise version known."""
    return _distinct({result.kernel: result.kernel_version for result in results})


def _distinct(names: Mapping[str, str]) -> Mapping[str, str]:
    """Names by spec, with the spec where two have the same."""
    shared = Counter(names.values())
    return {spec: name if shared[name] == 1 else f"{name} ({spec})" for spec, name in names.items()}


def nameless(result: Result) -> str:
    """A test's id without the kernel: `test_x.py::test_y[6.1.192-rdma]` is `…test_y[rdma]`."""
    label = re.escape(result.kernel_label)
    return re.sub(rf"\[{label}(-|(?=\]))", "[", result.test).removesuffix("[]")


def variant(result: Result) -> str:
    """What a scenario was run over beside the kernel and a fault: `memfd`, `rdma`; or nothing."""
    found = re.search(r"\[(.+)\]$", nameless(result))
    if not found:
        return result.pin
    words = f"-{found[1]}"
    return (words.replace(f"-{result.fault}", "", 1) if result.fault else words)[1:]


def title(result: Result) -> str:
    """The scenario with all it was run over, `15 shared memory [memfd]`: one test of a kernel."""
    words = variant(result)
    return f"{result.scenario} [{words}]" if words else result.scenario


def row_order(row: str) -> tuple[int, str]:
    """What rows are sorted by: the number, then the title."""
    number = row.split(" ", 1)[0]
    return (int(number) if number.isdigit() else UNNUMBERED, row)


def in_words(chosen: Collection[str], order: Sequence[str]) -> str:
    """Some of the names in `order`, in short: `a, b`; `a to e (5 kernels)`; `a, c and 7 more`."""
    places = [place for place, name in enumerate(order) if name in chosen]
    names = [order[place] for place in places]
    if len(names) < 3:
        return ", ".join(names)
    if places[-1] - places[0] == len(places) - 1:
        return f"{names[0]} to {names[-1]} ({len(names)} kernels)"
    return f"{names[0]}, {names[1]} and {len(names) - 2} more"


def is_told_by_version(spec: str) -> bool:
    """Whether a kernel's version alone says which it is: as a suite has it, and for x86-64.

    Example:
        >>> is_told_by_version("debian:trixie"), is_told_by_version("debian-source:trixie+all")
        (True, False)
    """
    return spec.startswith("debian:") and "@" not in spec
