# SPDX-License-Identifier: Apache-2.0
"""What a pytest process is doing at this moment, as lines for a person."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from hotremove import shapes
from hotremove.observe.timeline import Activity

_GAP = ".."


@dataclass(frozen=True)
class RunningTest:
    """A running test.

    Attributes:
        test: its node id.
        guests: what each of its guests waits for; None for one that waits for the test.
        worker: the xdist worker it runs on, or empty.
    """

    test: str
    guests: tuple[Activity | None, ...]
    worker: str = ""

    def as_json(self) -> str:
        """For another process of this machine; the monotonic clock is the same for all."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> RunningTest:
        """What `as_json` gave.

        Raises:
            ValueError: it did not.
        """
        return shapes.from_json(text, cls)


def lines(tests: Iterable[RunningTest], now: float, width: int) -> list[str]:
    """A line for each guest, of at most `width` characters; `now` is on the timelines' clock."""
    told = ((one, words) for one in tests for words in _words(one.guests, now))
    return [_line(one, words, width) for one, words in told]


def _words(guests: Sequence[Activity | None], now: float) -> list[str]:
    if not guests:
        return ["getting a guest ready"]
    return [_phase(activity, now) if activity else "the test is at work" for activity in guests]


def _phase(activity: Activity, now: float) -> str:
    limit = "" if activity.limit is None else f"/{activity.limit:g}"
    return f"{activity.name} {max(now - activity.since, 0.0):.1f}{limit} s"


def _line(running: RunningTest, words: str, width: int) -> str:
    """What it waits for is never cut; the test's name gives way, in its middle."""
    name = running.test.rpartition("::")[2] or running.test
    head = f"  {running.worker} " if running.worker else "  "
    room = width - len(head) - len(words) - 2
    return f"{head}{_cut(name, room)}: {words}"[:width]


def _cut(name: str, room: int) -> str:
    """The name without its middle: its parameters, at the end, tell its variants apart."""
    if len(name) <= room:
        return name
    kept = max(room - len(_GAP), 2)
    return name[: kept // 2] + _GAP + name[len(name) - (kept - kept // 2) :]
