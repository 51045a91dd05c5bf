# SPDX-License-Identifier: Apache-2.0
"""The architectures whose kernels the farm can boot, found by any of their names."""

from __future__ import annotations

import platform
from collections.abc import Mapping

from hotremove.architecture.architecture import Architecture
from hotremove.architecture.arm64 import ARM64
from hotremove.architecture.x86_64 import X86_64
from hotremove.errors import UsageProblem

SUPPORTED = (X86_64, ARM64)
DEFAULT = X86_64
"""Of a kernel that does not say."""


def by_debian(name: str) -> Architecture | None:
    """The supported architecture that Debian packages call `name`."""
    return next((arch for arch in SUPPORTED if arch.debian == name), None)


def by_rpm(name: str) -> Architecture | None:
    """The supported architecture that RPM packages call `name`."""
    return next((arch for arch in SUPPORTED if arch.rpm == name), None)


def by_uname(name: str) -> Architecture:
    """The supported architecture that `uname -m` calls `name`.

    Raises:
        ValueError: there is none.
    """
    for arch in SUPPORTED:
        if arch.uname == name:
            return arch
    raise ValueError(f"an unknown architecture {name!r}")


def of_config(config: Mapping[str, str]) -> Architecture:
    """The architecture that a kernel's configuration is for."""
    return next((arch for arch in SUPPORTED if config.get(arch.symbol) == "y"), DEFAULT)


def is_native(arch: Architecture) -> bool:
    """Whether this machine's own processor is one."""
    return platform.machine() == arch.uname


def make_words(arch: Architecture) -> tuple[str, ...]:
    """What the kernel's make is told for an architecture; nothing for this machine's own."""
    return () if is_native(arch) else arch.make_words


def build_words(arch: Architecture) -> tuple[str, ...]:
    """What the kernel's make is told for all that guests boot."""
    return (*make_words(arch), arch.image, "modules")


def supported_names() -> str:
    """The supported architectures for a message, `x86_64 (Debian: amd64)`."""
    return ", ".join(f"{arch.uname} (Debian: {arch.debian})" for arch in SUPPORTED)


def split(text: str) -> tuple[str, Architecture]:
    """What a spec says, and of which architecture: `trixie@arm64`, by Debian's or uname's name.

    Raises:
        UsageProblem: it is not a supported one.

    Example:
        >>> rest, arch = split("trixie/6.12.118@arm64")
        >>> rest, arch.uname
        ('trixie/6.12.118', 'aarch64')
    """
    rest, arch = split_known(text)
    if rest == text and "@" in text:
        name = text.rpartition("@")[2]
        raise UsageProblem(f"{text}: @{name} is no architecture that the farm boots: {_shortly()}")
    return rest, arch


def split_known(text: str) -> tuple[str, Architecture]:
    """The same where an @ may mean something else: `git@server:linux`, `HEAD@{1}`."""
    rest, mark, name = text.rpartition("@")
    for arch in SUPPORTED:
        if mark and name in (arch.debian, arch.uname):
            return rest, arch
    return text, DEFAULT


def suffix(arch: Architecture, mark: str = "@") -> str:
    """What a spec ends with for an architecture; nothing for the one that goes without."""
    return "" if arch is DEFAULT else f"{mark}{arch.debian}"


def _shortly() -> str:
    return ", ".join(f"@{arch.debian}" for arch in SUPPORTED)
