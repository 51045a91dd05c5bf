# SPDX-License-Identifier: Apache-2.0
"""The machine architectures whose kernels the farm can boot, and how packages name them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """One architecture.

    Attributes:
        uname: as `uname -m` prints it.
        debian: as Debian's packages name it.
        rpm: as RPM packages name it.
        folder: its folder in the kernel's tree.
        image: what a build makes for booting, a target of the kernel's make.
    """

    uname: str
    debian: str
    rpm: str
    folder: str
    image: str

    @property
    def image_file(self) -> str:
        """Where a build leaves the image in the tree."""
        return f"{self.folder}/boot/{self.image}"


X86_64 = Architecture("x86_64", "amd64", "x86_64", folder="arch/x86", image="bzImage")

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
