# SPDX-License-Identifier: Apache-2.0
"""An offline and a pin begun so that they are likely to meet, and whether they did."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from hotremove.observe.span import Span, overlap

# Chance for either to begin.
_EVEN = 0.5


@dataclass(frozen=True)
class Pace:
    """How long each was at it when last seen, seconds; at first what is usual under TCG."""

    offline: float = 0.1
    pin: float = 0.02


@dataclass(frozen=True)
class Start:
    """Which of the two begins, and how many seconds later the other does."""

    offline_first: bool
    lead: float

    @property
    def before_offline(self) -> float:
        """Seconds to wait, with the pin begun."""
        return 0 if self.offline_first else self.lead

    @property
    def before_pin(self) -> float:
        """Seconds to wait, with the offline begun."""
        return self.lead if self.offline_first else 0


def choose_start(rng: Random, pace: Pace) -> Start:
    """Let chance decide, so that the first is likely to be at it still when the other begins."""
    offline_first = rng.random() < _EVEN
    return Start(offline_first, rng.uniform(0, pace.offline if offline_first else pace.pin))


def have_met(offline: Span | None, pin: Span | None) -> bool:
    """Whether both were at it at a time; None is one that did not end, or that the other undid."""
    return offline is None or pin is None or overlap(offline, pin)


def pace_of(offline: Span | None, pin: Span | None, before: Pace) -> Pace:
    """How long they took, where that was seen."""
    return Pace(
        before.offline if offline is None else offline[1] - offline[0],
        before.pin if pin is None else pin[1] - pin[0],
    )
