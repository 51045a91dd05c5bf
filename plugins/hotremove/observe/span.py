# SPDX-License-Identifier: Apache-2.0
"""When things happened in a guest, and whether they did at a time."""

from __future__ import annotations

Span = tuple[float, float]
"""When something began and ended, seconds of the guest's CLOCK_MONOTONIC."""


def overlap(one: Span, other: Span) -> bool:
    """Whether both were under way at a time."""
    return max(one[0], other[0]) < min(one[1], other[1])
