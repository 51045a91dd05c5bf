# SPDX-License-Identifier: Apache-2.0
"""Every kernel of a Debian suite, by its package lists alone: nothing is downloaded."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase

from hotremove.cache import Cache
from hotremove.kernels.distro.apt import PrivateApt, Stanza
from hotremove.kernels.distro.debversion import sort_key
from hotremove.kernels.distro.suites import with_lists
from hotremove.kernels.offers.offer import Offer

_AT_LEAST = ">="
# Flavours apart, and linux-image-6.12-amd64, which only depends on the newest of its series.
_IMAGE = re.compile(r"linux-image-(?!\d+\.\d+-amd64)\d\S*(?<!-cloud)(?<!-rt)-amd64")
_PART = re.compile(r"(linux-(?:binary|modules|base)-\d\S*) \(= (\S+)\)")


def offered(suite: str, cache: Cache, versions: str = "*") -> tuple[Offer, ...]:
    """The suite's kernels of the ordinary flavour, oldest first.

    Args:
        suite: with its updates and its security suite.
        cache: where its package lists are kept.
        versions: a pattern (`6.12.*`), or the least version (`>=6.12.43`).

    Raises:
        UsageProblem: the mirror has no such suite.
        HostProblem: no mirror is known or reachable, and there are no lists of before.
    """
    with cache.lock("apt", suite):
        images, others = with_lists(suite, cache, _look)
    there = {(stanza["Package"], stanza["Version"]) for stanza in (*images, *others)}
    wanted = (stanza for stanza in images if fits(stanza["Version"], versions))
    found = {offer.version: offer for offer in (_offer(suite, one, there) for one in wanted)}
    return tuple(sorted(found.values(), key=lambda offer: sort_key(offer.version)))


def fits(version: str, versions: str) -> bool:
    """Whether a package version is among those that are asked for."""
    if versions.startswith(_AT_LEAST):
        return sort_key(version) >= sort_key(versions.removeprefix(_AT_LEAST).strip())
    return fnmatchcase(version, versions)


def _look(apt: PrivateApt) -> tuple[list[Stanza], list[Stanza]]:
    """Stanzas of the images, and of what they need beside themselves."""
    names = [name for name in apt.names("linux-image-") if _IMAGE.fullmatch(name)]
    images = apt.show(names)
    return images, apt.show(sorted(_beside(images)))


def _beside(images: Iterable[Stanza]) -> set[str]:
    parts = {name for image in images for name, _ in _parts(image)}
    return parts | {_headers(image) for image in images}


def _offer(suite: str, image: Stanza, there: Collection[tuple[str, str]]) -> Offer:
    version = image["Version"]
    gone = [name for name, part in _parts(image) if (name, part) not in there]
    return Offer(
        spec=f"debian:{suite}/{version}",
        version=version,
        lacks=tuple(gone),
        modules=any(name == _headers(image) for name, _ in there),
    )


def _parts(image: Stanza) -> list[tuple[str, str]]:
    """What holds a kernel's contents beside linux-image, with the versions.

    linux-image of 6.18 depends on a linux-base, and holds all that a guest takes by itself (read in
    the lists: 166 MB); only where there is a linux-binary it is a shell.
    """
    found = _PART.findall(image.get("Depends", ""))
    return found if any(name.startswith("linux-binary-") for name, _ in found) else []


def _headers(image: Stanza) -> str:
    return image["Package"].replace("linux-image-", "linux-headers-", 1)
