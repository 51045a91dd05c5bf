# SPDX-License-Identifier: Apache-2.0
"""The machine architectures whose kernels the farm can boot, and how packages name them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """One architecture: `uname` as `uname -m` prints it, `debian` and `rpm` as packages name it."""

    uname: str
    debian: str
    rpm: str


X86_64 = Architecture(uname="x86_64", debian="amd64", rpm="x86_64")

SUPPORTED = (X86_64,)


def by_debian(name: str) -> Architecture | None:
    """The supported architecture that Debian packages call `name`."""
    return next((arch for arch in SUPPORTED if arch.debian == name), None)


def by_rpm(name: str) -> Architecture | None:
    """The supported architecture that RPM packages call `name`."""
    return next((arch for arch in SUPPORTED if arch.rpm == name), None)


def supported_names() -> str:
    """The supported architectures for a message, `x86_64 (Debian: amd64)`."""
    return ", ".join(f"{arch.uname} (Debian: {arch.debian})" for arch in SUPPORTED)
