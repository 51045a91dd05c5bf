# SPDX-License-Identifier: Apache-2.0
"""What a night shows: a verdict, and for each kernel what is other than before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hotremove.analysis import coverage
from hotremove.analysis.compare import Comparison, Difference, compare
from hotremove.analysis.first import highlights
from hotremove.analysis.history import FiledRun
from hotremove.analysis.nightly.plan import predecessor
from hotremove.analysis.nightly.state import WHOLE, Ran, State
from hotremove.analysis.summary import tally
from hotremove.kernels.offers.offer import Offer
from hotremove.results.record import Record
from hotremove.verdict.verdict import BAD, Verdict


class Light(StrEnum):
    """A night's verdict, or a kernel's."""

    RED = "red"
    OPEN = "open"
    GREEN = "green"


_GRAVITY = (Light.RED, Light.OPEN, Light.GREEN)


@dataclass(frozen=True)
class Judged:
    """A kernel of the night.

    Attributes:
        offer: the kernel.
        folder: its artifacts, below the night's folder.
        seconds: how long it took.
        light: red if it fails or is worse than the one before it, open if not all was looked at.
        told: its verdicts, counted; or why there are none.
        looked: how much of what it allows was looked at.
        first: the first things to look at: a heading, and the first line of evidence.
        before: version of the kernel before it in its series; empty where none was filed.
        change: what is other than with that one.
    """

    offer: Offer
    folder: str
    seconds: float
    light: Light
    told: str
    looked: str = ""
    first: tuple[tuple[str, str], ...] = ()
    before: str = ""
    change: Comparison | None = None


@dataclass(frozen=True)
class Summary:
    """A night.

    Attributes:
        started: when it began, ISO 8601 in UTC.
        kernels: what was run, in this order.
        left: what is new and did not fit into the night's time.
        gone: what is new and cannot be run, because the archive lacks a part of it.
        given_up: what could not be run in several nights, and is tried no more.
        problems: why something could not be watched.
    """

    started: str
    kernels: tuple[Judged, ...]
    left: tuple[Offer, ...]
    gone: tuple[Offer, ...]
    given_up: tuple[Offer, ...]
    problems: tuple[str, ...]

    @property
    def light(self) -> Light:
        """The gravest of all; what could not be watched leaves it open."""
        lights = {one.light for one in self.kernels}
        lights |= {Light.OPEN} if self.problems else set()
        return next((light for light in _GRAVITY if light in lights), Light.GREEN)

    @property
    def sentence(self) -> str:
        """What was run, and what comes of it."""
        if not self.kernels:
            return f"{self.light}: {'nothing was run' if self.left else 'nothing is new'}"
        counts = ((sum(one.light is light for one in self.kernels), light) for light in _GRAVITY)
        told = ", ".join(f"{count} {light}" for count, light in counts if count)
        number = len(self.kernels)
        behind = f"; {len(self.left)} did not fit" if self.left else ""
        return f"{self.light}: {number} kernel{'s' if number > 1 else ''} ({told}){behind}"

    @property
    def worst(self) -> tuple[Judged, ...]:
        """The kernels to look at, gravest first."""
        bad = (one for one in self.kernels if one.light is not Light.GREEN)
        return tuple(sorted(bad, key=lambda one: _GRAVITY.index(one.light)))


def summarise(state: State, runs: Sequence[FiledRun], record_of: RecordOf) -> Summary:
    """Judge a night.

    Args:
        state: how far it came.
        runs: the history, with the night's own runs.
        record_of: the record that a run left; None where it left none.
    """
    by_spec = {offer.spec: offer for offer in state.offers}
    kernels = (_judged(by_spec[ran.spec], ran, record_of(ran), runs) for ran in state.ran)
    rest = (state.left, state.gone, state.given_up, state.problems)
    return Summary(state.started, tuple(kernels), *rest)


RecordOf = Callable[[Ran], Record | None]


def judge(record: Record, change: Comparison | None) -> Light:
    """What a run says: red by evidence against the kernel, open where it is not whole."""
    verdicts = {Verdict(result.verdict) for result in record.results}
    if Verdict.FAIL in verdicts or any(_is_evidence(one) for one in _worse(change)):
        return Light.RED
    return Light.OPEN if verdicts & BAD or not record.results else Light.GREEN


def _judged(offer: Offer, ran: Ran, record: Record | None, runs: Sequence[FiledRun]) -> Judged:
    if record is None or ran.ended not in WHOLE:
        return Judged(offer, ran.folder, ran.seconds, Light.OPEN, _why_not(ran))
    found = predecessor(offer, runs)
    change = compare(_of_version(*found), record) if found else None
    return Judged(
        offer=offer,
        folder=ran.folder,
        seconds=ran.seconds,
        light=judge(record, change),
        told=tally(record.results),
        looked="; ".join(coverage.lines(record)),
        first=tuple(highlights(record.results)),
        before=found[0] if found else "",
        change=change,
    )


def _of_version(version: str, run: FiledRun) -> Record:
    """The part of a run that is of one kernel, so that it is held against the night's."""
    results = run.record.results
    return Record(tuple(result for result in results if result.kernel_version == version))


def _worse(change: Comparison | None) -> tuple[Difference, ...]:
    return change.regressions if change else ()


def _is_evidence(difference: Difference) -> bool:
    """Whether it is the kernel that is worse: not that nobody looked this time."""
    return difference.after.partition(" ")[0] in (Verdict.FAIL, Verdict.KNOWN_BUG)


def _why_not(ran: Ran) -> str:
    if ran.ended is None:
        return "broken off: the night's time was up"
    return f"could not be run: pytest ended with {ran.ended}"
