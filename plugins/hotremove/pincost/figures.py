# SPDX-License-Identifier: Apache-2.0
"""What pins cost on each kernel of a run: figures for a line, for a table, for a plot.

What was measured comes by the kernels' names, as results.naming.costs_by_kernel gives it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hotremove.pincost.model import MOVABLE, NORMAL, WHOLE, Cost, Estimate, Growth, by_series, fit

HEADINGS = (
    "kernel",
    "pin",
    "MiB",
    "instructions a page",
    "grows as size to the",
    "passes",
    "drains a GiB",
    "300 GiB, 10⁹ instructions",
)


@dataclass(frozen=True)
class Series:
    """Pins on one kernel that differ in size alone, by size."""

    kernel: str
    costs: tuple[Cost, ...]

    @property
    def name(self) -> str:
        """What is pinned and how."""
        return str(self.costs[0])

    @property
    def largest(self) -> Cost:
        """The pin with most pages."""
        return self.costs[-1]

    @property
    def growth(self) -> Growth | None:
        """How the cost grows; None where too few sizes were measured."""
        return fit(self.costs)


def series_of(measured: Mapping[str, Iterable[Cost]]) -> list[Series]:
    """Everything that was measured, kernel by kernel; what several tests measured, once."""
    return [
        Series(kernel, series)
        for kernel, costs in measured.items()
        for series in by_series({cost.point: cost for cost in costs}.values()).values()
    ]


def lines(measured: Mapping[str, Iterable[Cost]]) -> Iterator[str]:
    """The pin costs of each kernel in a line."""
    by_kernel: dict[str, list[Series]] = {}
    for one in series_of(measured):
        by_kernel.setdefault(one.kernel, []).append(one)
    for kernel, series in by_kernel.items():
        yield f"pin cost, {kernel}: {'; '.join(_told(series))}"


def _told(series: Sequence[Series]) -> Iterator[str]:
    """The first way to pin in ZONE_MOVABLE, against the same elsewhere and page by page."""
    main = next((s for s in series if s.largest.zone == MOVABLE), series[0])
    cost = main.largest
    yield f"{cost.path} {cost.per_page:,.0f} instructions a page in ZONE_{cost.zone.upper()}"
    if elsewhere := _like(series, cost, zone=NORMAL):
        yield f"{elsewhere.largest.per_page:,.0f} elsewhere"
    if growth := main.growth:
        yield f"growing as size^{growth.exponent.value:.3f}"
        yield f"300 GiB: {rounded(growth.extrapolate(WHOLE))}e9"
    yield f"{cost.passes:.2f} passes"
    if cost.drains_per_gib is not None:
        yield f"{cost.drains_per_gib:.0f} drains a GiB"
    if singly := _like(series, cost, batch=1):
        yield f"{singly.largest.per_page / cost.per_page:.1f} times as much page by page"


def _like(series: Sequence[Series], cost: Cost, **changed: object) -> Series | None:
    """The series that is the same but for what is `changed`."""
    wanted = {name: getattr(cost, name) for name in ("path", "kind", "zone", "faulted", "batch")}
    wanted |= changed
    for one in series:
        if all(getattr(one.largest, name) == value for name, value in wanted.items()):
            return one
    return None


def table(measured: Mapping[str, Iterable[Cost]]) -> list[list[str]]:
    """Headings, a row for each series and for each refusal; nothing when nothing was measured."""
    rows = [list(_row(one)) for one in series_of(measured)] + list(_refusals(measured))
    return [list(HEADINGS), *rows] if rows else []


def _refusals(measured: Mapping[str, Iterable[Cost]]) -> Iterator[list[str]]:
    """Rows for what could not be pinned, whatever its size."""
    refused = {
        (kernel, str(cost), cost.refused): None
        for kernel, costs in measured.items()
        for cost in costs
        if cost.refused
    }
    for kernel, pin, why in refused:
        yield [kernel, pin, "", f"refused: {why}", *[""] * (len(HEADINGS) - 4)]


def _row(series: Series) -> Iterator[str]:
    first, last, growth = series.costs[0], series.largest, series.growth
    yield series.kernel
    yield series.name
    yield f"{first.mib} to {last.mib}" if first is not last else str(last.mib)
    yield f"{last.per_page:,.0f}"
    yield exponent(growth.exponent) if growth else ""
    yield f"{last.passes:.2f}"
    yield "" if last.drains_per_gib is None else f"{last.drains_per_gib:.0f}"
    yield rounded(growth.extrapolate(WHOLE)) if growth else ""


def exponent(found: Estimate) -> str:
    """An exponent with its error."""
    return f"{found.value:.3f} ± {(found.high - found.low) / 2:.3f}"


def rounded(instructions: Estimate) -> str:
    """Thousands of millions of instructions, with the range at 95 %."""
    value, low, high = (x / 1e9 for x in (instructions.value, instructions.low, instructions.high))
    return f"{value:,.0f} ({low:,.0f} to {high:,.0f})"
