# SPDX-License-Identifier: Apache-2.0
"""What a processor architecture is called by others, and what its guests and builds are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hotremove.architecture.machine import Machine


@dataclass(frozen=True)
class Architecture:
    """One architecture.

    Attributes:
        uname: as `uname -m` prints it.
        debian: as Debian's packages name it.
        rpm: as RPM packages name it.
        symbol: the option that a kernel's configuration has for it, without CONFIG_.
        make: what the kernel's make calls it (ARCH).
        folder: its folder in the kernel's tree.
        image: what a build makes for booting, a target of the kernel's make.
        triplet: what names of compilers, linkers and library folders begin with.
        machine: what its guests run on.
        memory: the removable memory that a guest has unless told otherwise: `dimm`, `virtio-mem`.
        options: the configuration option of what is a matter of the architecture, by what it is.
        direct_map_bytes: what the page tables of the kernel's own map take for each page of memory
            that comes later, and no account of the kernel has.
        keeps_boot_memory: why no kernel lets memory go that was there at boot; empty where it may.
        headers: files of a built tree that modules are compiled against, beside those that every
            architecture has.
    """

    uname: str
    debian: str
    rpm: str
    symbol: str
    make: str
    folder: str
    image: str
    triplet: str
    machine: Machine = field(hash=False)
    memory: str
    options: Mapping[str, str] = field(hash=False)
    direct_map_bytes: int = 0
    keeps_boot_memory: str = ""
    headers: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.uname

    @property
    def image_file(self) -> str:
        """Where a build leaves the image in the tree."""
        return f"{self.folder}/boot/{self.image}"

    @property
    def make_words(self) -> tuple[str, ...]:
        """What the kernel's make is told when it compiles for another processor than its own."""
        return (f"ARCH={self.make}", f"CROSS_COMPILE={self.triplet}-")

    @property
    def package_triplet(self) -> str:
        """The triplet as names of Debian packages have it."""
        return self.triplet.replace("_", "-")

    @property
    def compiler_package(self) -> str:
        """The Debian package of the compiler for it that runs on any processor."""
        return f"gcc-{self.package_triplet}"

    def tool(self, name: str) -> str:
        """A compiler's or linker's program by its full name, `aarch64-linux-gnu-gcc`."""
        return f"{self.triplet}-{name}"

    def option(self, name: str) -> str:
        """A configuration option; where `name` is not one but what it is for, the one here."""
        return self.options.get(name, name)
