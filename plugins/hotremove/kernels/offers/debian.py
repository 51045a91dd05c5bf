# SPDX-License-Identifier: Apache-2.0
"""Every kernel of a Debian suite, by its package lists; what the archive really gives of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hotremove.cache import Cache
from hotremove.errors import HotremoveError
from hotremove.kernels.distro import patterns
from hotremove.kernels.distro.archive import Available
from hotremove.kernels.offers.offer import Offer
from hotremove.kernels.sources import debian, debian_source
from hotremove.kernels.variant import join
from hotremove.progress import say


def offered(suite: str, cache: Cache, versions: str = "*") -> tuple[Offer, ...]:
    """The suite's kernels, oldest first; those of a flavour only where the pattern names it.

    Args:
        suite: with its updates and its security suite.
        cache: where its package lists are kept.
        versions: a pattern, as in `debian:SUITE/PATTERN`.

    Raises:
        UsageProblem: the mirror has no such suite, or the pattern makes no sense.
        HostProblem: no mirror is known or reachable, and there are no lists of before.
    """
    wanted = patterns.parse(versions)
    listed = debian.list_suite(suite, cache)
    return tuple(_offer(suite, one) for one in listed if wanted.fits(one.version, one.release))


def offered_to_build(
    suite: str, cache: Cache, versions: str, fragments: Sequence[str]
) -> tuple[Offer, ...]:
    """The suite's sources, oldest first, built with fragments of the kernel's configuration.

    Their versions have the fragments behind them: the same version is offered by `offered` too.

    Args:
        suite: with its updates and its security suite.
        cache: where its package lists are kept.
        versions: a pattern, as in `debian:SUITE/PATTERN`.
        fragments: as behind `+` in `debian-source:SUITE/VERSION+FRAGMENT`.

    Raises:
        UsageProblem, HostProblem: as `offered`.
    """
    wanted = patterns.parse(versions)
    return tuple(
        Offer(join(f"{debian_source.SCHEME}:{suite}/{one}", fragments), join(one, fragments))
        for one in debian_source.list_sources(suite, cache)
        if wanted.fits(one, one)
    )


def as_fetched(offer: Offer, cache: Cache) -> Offer:
    """As offered, without modules where the archive does not give the headers that it lists.

    Where that cannot be learnt now, the kernel's own run tells what it meets.
    """
    if not offer.modules or not offer.spec.startswith(f"{debian.SCHEME}:"):
        return offer
    try:
        why = debian.find_missing_headers(offer.spec, cache)
    except HotremoveError:
        return offer
    if why:
        say(f"{offer.version}: {why}: without modules")
    return replace(offer, modules=not why)


def _offer(suite: str, one: Available) -> Offer:
    spec = debian.candidate(suite, one).spec
    return Offer(spec=spec, version=one.version, lacks=one.gone, modules=one.headers)
