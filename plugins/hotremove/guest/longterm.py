# SPDX-License-Identifier: Apache-2.0
"""Whether a guest's kernel migrates long-term pins, as it says itself."""

from __future__ import annotations

from hotremove.errors import HotremoveError
from hotremove.guest.control import Control

_EVENT_FORMAT = "/sys/kernel/tracing/events/migrate/mm_migrate_pages/format"


def migrates_pins(control: Control) -> bool:
    """Whether the reason `longterm_pin` exists: absent in 5.10, present from 5.13."""
    try:
        return "longterm_pin" in control.read(_EVENT_FORMAT)
    except (HotremoveError, OSError):
        return False
