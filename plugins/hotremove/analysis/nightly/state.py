# SPDX-License-Identifier: Apache-2.0
"""How far a night came, in a file that is whole at any moment: a night that died goes on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from hotremove import shapes
from hotremove.errors import DataProblem
from hotremove.kernels.offers.offer import Offer
from hotremove.results.files import write_whole

FILE = "night.json"
WHOLE = (0, 1)
"""What pytest ends with when it has run every test."""


@dataclass(frozen=True)
class Ran:
    """A kernel's run that has ended.

    Attributes:
        spec: the kernel.
        folder: its artifacts, below the night's folder.
        ended: pytest's exit code; None where the night's time was up.
        seconds: how long it took.
    """

    spec: str
    folder: str
    ended: int | None
    seconds: float


@dataclass(frozen=True)
class State:
    """A night.

    Attributes:
        started: when it began, ISO 8601 in UTC.
        offers: what is to be run, in this order.
        gone: what is new and cannot be run, and was not told before.
        given_up: what could not be run in several nights.
        problems: why something could not be watched, a line each.
        ran: what has been run.
        spent: seconds of earlier processes that worked on it.
        finished: whether its reports are written.
    """

    started: str
    offers: tuple[Offer, ...] = ()
    gone: tuple[Offer, ...] = ()
    given_up: tuple[Offer, ...] = ()
    problems: tuple[str, ...] = ()
    ran: tuple[Ran, ...] = ()
    spent: float = 0.0
    finished: bool = False

    def with_run(self, ran: Ran) -> State:
        """The same after one more run; its time is counted."""
        return replace(self, ran=(*self.ran, ran), spent=self.spent + ran.seconds)

    @property
    def left(self) -> tuple[Offer, ...]:
        """What has not been run to its end."""
        ended = {one.spec for one in self.ran if one.ended is not None}
        return tuple(offer for offer in self.offers if offer.spec not in ended)

    @property
    def longest(self) -> float:
        """Seconds of the longest run so far."""
        return max((one.seconds for one in self.ran), default=0.0)


def write_state(folder: Path, state: State) -> None:
    """Keep a state, in place of the one before.

    Raises:
        UsageProblem: it cannot be written.
    """
    write_whole(folder / FILE, json.dumps(asdict(state), indent=1) + "\n")


def read_state(folder: Path) -> State:
    """The state of a night's folder.

    Raises:
        DataProblem: there is none, or it is not what a night writes.
    """
    try:
        return shapes.read_json(folder / FILE, State)
    except OSError as error:
        raise DataProblem(f"{folder / FILE}: {error.strerror}") from error
    except ValueError as error:
        raise DataProblem(str(error)) from error


def unfinished(nights: Path) -> Path | None:
    """The folder of the latest night, if it was broken off."""
    latest = _folders(nights)[-1:]
    return next((folder for folder in latest if not read_state(folder).finished), None)


def earlier(nights: Path) -> list[State]:
    """The states of all nights, oldest first.

    Raises:
        DataProblem: one is not what a night writes.
    """
    return [read_state(folder) for folder in _folders(nights)]


def _folders(nights: Path) -> list[Path]:
    return [file.parent for file in sorted(nights.glob(f"*/{FILE}"))]
