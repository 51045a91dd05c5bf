# SPDX-License-Identifier: Apache-2.0
"""What a night runs, and in which order: what is new, the newest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from hotremove.analysis.coverage import coverage_of
from hotremove.analysis.history import FiledRun
from hotremove.analysis.nightly.state import WHOLE, Ran, State
from hotremove.kernels.offers.offer import Offer
from hotremove.lineage import release
from hotremove.results.naming import is_told_by_version

# Nights in which a kernel could not be run, before nobody tries any more.
_MOST_TRIES = 3


def newest_of_each(offers: Iterable[Offer], newest: int) -> list[Offer]:
    """Only so many of each stable series; all where `newest` is 0."""
    ranked = _ranked(offers)
    return [offer for rank, offer in ranked if not newest or rank < newest]


def fresh(offers: Iterable[Offer], runs: Sequence[FiledRun]) -> list[Offer]:
    """What the history has no run of.

    A kernel is known by its spec, or by its version where a run over the whole suite had it; one
    that is offered twice is run once.
    """
    known = _known(runs)
    new = [one for one in offers if one.spec not in known and one.version not in known]
    return list({offer.version: offer for offer in reversed(new)}.values())[::-1]


def in_order(offers: Iterable[Offer]) -> list[Offer]:
    """The newest of each series first, then the next of each: what comes late is what is old."""
    ranked = _ranked(offers)
    ranked.sort(key=lambda pair: pair[0])
    return [offer for _, offer in ranked]


def divide(new: Iterable[Offer], earlier: Sequence[State]) -> tuple[list[Offer], ...]:
    """What is to be run, what of the rest was not told before, and what is given up.

    What could not be run in so many nights will not be in the next either: a commit that does not
    compile. What the archive lacks a part of is told by one night.
    """
    told = {offer.spec for state in earlier for offer in state.gone}
    tries = Counter(ran.spec for state in earlier for ran in state.ran if _is_failed(ran))
    fit: list[Offer] = []
    gone: list[Offer] = []
    given_up: list[Offer] = []
    for offer in new:
        if offer.lacks:
            gone += [offer] if offer.spec not in told else []
        else:
            (given_up if tries[offer.spec] >= _MOST_TRIES else fit).append(offer)
    return fit, gone, given_up


def predecessor(offer: Offer, runs: Sequence[FiledRun]) -> tuple[str, FiledRun] | None:
    """The kernel before it in its series that was filed, by version, and the run that had it.

    One from the same source, if there is any: other builds differ in more than in their version.
    """
    before = list(_before(offer, runs))
    same = [one for one in before if Offer(one[0], "").source == offer.source]
    if not before:
        return None
    _, version, run = max(same or before, key=lambda one: (_key(one[1]), one[2].number))
    return version, run


def _is_failed(ran: Ran) -> bool:
    """Whether pytest ended by itself and yet did not run every test."""
    return ran.ended is not None and ran.ended not in WHOLE


def _known(runs: Sequence[FiledRun]) -> set[str]:
    specs = {result.kernel for run in runs for result in run.record.results}
    whole = {
        looked.kernel: run
        for run in runs
        for looked in coverage_of(run.record)
        if not looked.missing
    }
    versions = {
        result.kernel_version
        for spec, run in whole.items()
        for result in run.record.results
        if result.kernel == spec and is_told_by_version(spec)
    }
    return specs | versions


def _before(offer: Offer, runs: Sequence[FiledRun]) -> Iterable[tuple[str, str, FiledRun]]:
    for run in runs:
        filed = {(result.kernel, result.kernel_version) for result in run.record.results}
        for spec, version in filed:
            same_series = release.series(version) == release.series(offer.version)
            if same_series and _key(version) < _key(offer.version):
                yield spec, version, run


def _ranked(offers: Iterable[Offer]) -> list[tuple[int, Offer]]:
    """Each with its rank in its series, the newest being 0; newer kernels first."""
    seen: dict[str, int] = {}
    ranked = []
    for offer in sorted(offers, key=lambda one: _key(one.version), reverse=True):
        rank = seen.setdefault(release.series(offer.version), 0)
        seen[release.series(offer.version)] += 1
        ranked.append((rank, offer))
    return ranked


_key = release.order
