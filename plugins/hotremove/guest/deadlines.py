# SPDX-License-Identifier: Apache-2.0
"""How long a guest may take, unless somebody says otherwise."""

from __future__ import annotations

BOOT_DEADLINE = 120.0
"""From power-on to the agent's greeting, in seconds: 4 s on an idle machine under TCG."""
RESTORE_DEADLINE = 60.0
"""From a saved guest to the agent's answer, in seconds: 0.5 s on an idle machine."""
RESTORES = 2
"""How often a guest is restored before it is booted instead."""
