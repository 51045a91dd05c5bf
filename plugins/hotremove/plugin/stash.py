# SPDX-License-Identifier: Apache-2.0
"""Keys under which the plugin keeps its state on pytest's own objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from hotremove.errors import HotremoveError
    from hotremove.guest.machine import Guest
    from hotremove.pincost.measure import PinCost
    from hotremove.plugin.results import Results
    from hotremove.plugin.rounds import Rounds
    from hotremove.results.evidence import Evidence
    from hotremove.session.farm import Farm
    from hotremove.verdict.allowances import AllowanceBook, Settled, Terms
    from hotremove.verdict.row import Row

FARM: pytest.StashKey[Farm] = pytest.StashKey()
"""On the config: the run's farm."""
PROBLEM: pytest.StashKey[HotremoveError] = pytest.StashKey()
"""On the config: what went wrong while collecting, to be told when pytest can end the run."""
BOOK: pytest.StashKey[AllowanceBook] = pytest.StashKey()
"""On the config: how the allowances fared."""
TERMS: pytest.StashKey[Terms] = pytest.StashKey()
"""On an item: which kernel reports it allows and expects."""
ROW: pytest.StashKey[Row] = pytest.StashKey()
"""On an item: its row of the catalogue."""
SETTLED: pytest.StashKey[Settled] = pytest.StashKey()
"""On an item: how its allowances fared."""
RESULTS: pytest.StashKey[Results] = pytest.StashKey()
"""On the config: the results so far."""
FAILED: pytest.StashKey[bool] = pytest.StashKey()
"""On an item: whether a phase of it has failed."""
PIN_COST: pytest.StashKey[PinCost] = pytest.StashKey()
"""On an item: what it measures costs with."""
GUEST: pytest.StashKey[Guest] = pytest.StashKey()
"""On an item: the guest of its running test."""
SHARES: pytest.StashKey[int] = pytest.StashKey()
"""On the controller's config: how many shares of memory its workers have together."""
KEPT: pytest.StashKey[list[str]] = pytest.StashKey()
"""On the config: how to reach guests of workers that live on."""
NOTES: pytest.StashKey[list[str]] = pytest.StashKey()
"""On an item: what its scenario recorded."""
EVIDENCE: pytest.StashKey[Evidence] = pytest.StashKey()
"""On an item: where its evidence goes."""
ROUNDS: pytest.StashKey[Rounds] = pytest.StashKey()
"""On an item: its rounds, where chance decides in them."""
