# SPDX-License-Identifier: Apache-2.0
"""The kernels that a suite's package lists name: what is left of each, and how large it is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hotremove.architecture.architecture import Architecture
from hotremove.kernels.distro.apt import PrivateApt, Stanza
from hotremove.kernels.distro.debversion import sort_key

IMAGE_PREFIX = "linux-image-"
HEADERS_PREFIX = "linux-headers-"

_PART = re.compile(r"(linux-(?:binary|modules|base)-\d\S*) \(= (\S+)\)")
_CONTENTS = "linux-binary-"
_COMMON = re.compile(r"\b(linux-headers-\S+-common) \(= (\S+)\)")
# linux-image-6.12-amd64 only depends on the newest of its series.
_META = re.compile(r"\d+\.\d+-(?:[a-z]\w*-)?[a-z]\w*")


@dataclass(frozen=True)
class Available:
    """A kernel in the lists.

    Attributes:
        release: what `uname -r` prints.
        version: the packages'.
        size: bytes to download.
        gone: packages that are in the lists no more.
        headers: whether they have its linux-headers.
    """

    release: str
    version: str
    size: int
    gone: tuple[str, ...]
    headers: bool


def is_image(package: str, arch: Architecture) -> bool:
    """Whether a package is that of a kernel, or one that only depends on such."""
    return bool(_release_in(package, arch))


def _release_in(package: str, arch: Architecture) -> str:
    found = re.fullmatch(rf"{IMAGE_PREFIX}(\d\S*-{arch.debian})", package)
    return found[1] if found else ""


def list_kernels(apt: PrivateApt) -> tuple[Available, ...]:
    """All kernels of an apt's lists, each version once, the oldest first."""
    images = _images(apt)
    names = {name for image in images.values() for name, _ in parts(image)}
    sizes = _sizes(apt, names)
    headers = _sizes(apt, {f"{HEADERS_PREFIX}{release}" for release, _ in images})
    found = (_available(release, one, sizes, headers) for (release, _), one in images.items())
    return tuple(sorted(found, key=lambda one: (sort_key(one.version), one.release)))


def common_headers(headers: Stanza) -> tuple[str, str] | None:
    """Name and version of the package that holds what a kernel's headers share with others."""
    found = _COMMON.search(headers.get("Depends", ""))
    return (found[1], found[2]) if found else None


def release_of(image: Stanza, arch: Architecture) -> str | None:
    """The release of an image's package; None for other packages, those without contents too."""
    release = _release_in(image["Package"], arch)
    return release if release and not _META.fullmatch(release) else None


def parts(image: Stanza) -> tuple[tuple[str, str], ...]:
    """The package itself and, in the split layout, those that hold its contents.

    From 6.18 on linux-image depends on a linux-base of its version; before 6.19, where it is not
    split, it holds all that a guest takes (read in the packages of 6.18.5 and 7.2.12).
    """
    others = _PART.findall(image.get("Depends", ""))
    is_split = any(name.startswith(_CONTENTS) for name, _ in others)
    return ((image["Package"], image["Version"]), *(others if is_split else ()))


def _images(apt: PrivateApt) -> dict[tuple[str, str], Stanza]:
    """By release and version; several repositories can have the same."""
    names = [name for name in apt.names(IMAGE_PREFIX) if is_image(name, apt.arch)]
    found = ((release_of(stanza, apt.arch), stanza) for stanza in apt.show(names))
    return {(release, stanza["Version"]): stanza for release, stanza in found if release}


def _sizes(apt: PrivateApt, names: Iterable[str]) -> dict[tuple[str, str], int]:
    """Bytes by name and version, for the packages that the lists have."""
    stanzas = apt.show(sorted(names))
    return {(s["Package"], s["Version"]): int(s["Size"]) for s in stanzas if "Size" in s}


def _available(
    release: str,
    image: Stanza,
    sizes: dict[tuple[str, str], int],
    headers: dict[tuple[str, str], int],
) -> Available:
    version = image["Version"]
    wanted = parts(image)
    return Available(
        release,
        version,
        size=sum(sizes.get(part, 0) for part in wanted),
        gone=tuple(name for name, exactly in wanted if (name, exactly) not in sizes),
        headers=(f"{HEADERS_PREFIX}{release}", version) in headers,
    )
