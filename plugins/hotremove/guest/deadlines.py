# SPDX-License-Identifier: Apache-2.0
"""How long a guest may take, unless somebody says otherwise."""

from __future__ import annotations

BOOT_DEADLINE = 120.0
"""From power-on to the agent's greeting, in seconds: 4 s on an idle machine under TCG."""
