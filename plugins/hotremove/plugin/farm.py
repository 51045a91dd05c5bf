# SPDX-License-Identifier: Apache-2.0
"""The run's farm, where every hook finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from hotremove.session.farm import Farm

FARM: pytest.StashKey[Farm] = pytest.StashKey()
"""On the config: the run's farm."""
