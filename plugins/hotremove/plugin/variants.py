# SPDX-License-Identifier: Apache-2.0
"""Which variant of a scenario runs with a fault where one is enough."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from hotremove.plugin.parametrize import fault_of, kernel_of, noticed_by
from hotremove.plugin.run import farm_of

if TYPE_CHECKING:
    import pytest


def choose_variants(items: list[pytest.Item]) -> list[pytest.Item]:
    """The tests without those that are one variant too many, if one was asked for.

    Of each scenario, kernel and fault one stays: chance, and so the run's seed, chooses among those
    whose marker names the fault, or among all where none does; a scenario that is marked as `long`
    runs with those faults alone. What has no fault stays.
    """
    if not items or not farm_of(items[0].config).options.one_variant:
        return items
    variants: dict[tuple[str, str, str], list[pytest.Item]] = {}
    for item in filter(_counts, items):
        variants.setdefault(_row(item), []).append(item)
    chosen = {_choose(row, several) for row, several in variants.items()}
    return [item for item in items if not fault_of(item) or item in chosen]


def _counts(item: pytest.Item) -> bool:
    """Whether a test with a fault is worth its time."""
    is_named = fault_of(item) in noticed_by(item)
    return bool(fault_of(item)) and (is_named or not item.get_closest_marker("long"))


def _row(item: pytest.Item) -> tuple[str, str, str]:
    kernel = kernel_of(item)
    return item.nodeid.partition("[")[0], kernel.spec if kernel else "", fault_of(item)


def _choose(row: tuple[str, str, str], variants: list[pytest.Item]) -> pytest.Item:
    naming = [item for item in variants if fault_of(item) in noticed_by(item)]
    seed = farm_of(variants[0].config).options.seed
    chance = Random(f"{seed} {' '.join(row)}")  # noqa: S311
    return chance.choice(naming or variants)
