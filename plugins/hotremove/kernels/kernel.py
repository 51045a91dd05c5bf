# SPDX-License-Identifier: Apache-2.0
"""The kernel under test, as a value: what every source gives and every builder takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hotremove.architecture.architecture import Architecture
from hotremove.architecture.known import DEFAULT, suffix
from hotremove.kernels.sourcetree import SourceTree


@dataclass(frozen=True)
class HeadersSource:
    """Where headers for building modules against a kernel come from.

    `suite` and `packages` name Debian packages to install in a build root of that suite;
    `directory` is a ready build tree (a `build` link of lib/modules, or a source tree); one with a
    `suite` was built in a build root of that suite with `packages`, and needs it.
    """

    suite: str | None = None
    packages: tuple[str, ...] = ()
    directory: Path | None = None


@dataclass(frozen=True)
class Candidate:
    """A kernel by what is known before it is fetched.

    Attributes:
        spec: what the user asked for, `debian:trixie`.
        release: what `uname -r` prints, `6.12.117+deb13-amd64`; names the module directory.
        version: the most precise version known, `6.12.117-1` for a package.
        arch: the processor that it is for.
    """

    spec: str
    release: str
    version: str
    arch: Architecture = field(default=DEFAULT, kw_only=True)

    @property
    def point_release(self) -> tuple[int, int, int]:
        """Upstream version as numbers, `(6, 12, 117)`; a missing part is 0."""
        found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", self.version)
        if not found:
            return (0, 0, 0)
        major, minor, patch = found.groups(default="0")
        return int(major), int(minor), int(patch)

    @property
    def label(self) -> str:
        """Short name for test ids and tables: `6.12.117`, `6.12.117-arm64`.

        The upstream point release, or what the source calls it, and the architecture where that is
        not the one which goes without saying.
        """
        return f"{self.called}{suffix(self.arch, '-')}"

    @property
    def called(self) -> str:
        """What tells it from others of its architecture."""
        return ".".join(str(part) for part in self.point_release)


@dataclass(frozen=True)
class Kernel(Candidate):
    """One kernel: image, modules and what is known of how it was built.

    Attributes:
        image: a bootable image, as its architecture has it.
        modules: the directory `lib/modules/RELEASE` with a modules.dep, or None when all is
            built in.
        config: options without the CONFIG_ prefix and their values (`y`, `m`, strings, numbers);
            empty when the source carries none. An option that is not set is absent.
        headers: how to build modules for it, when known.
        name: how its source calls it, `v6.12.50-3-g1f2e3d4c5b6a`, if that is not the version.
        source: what it was compiled from, where that was here and is at hand.
    """

    image: Path
    modules: Path | None
    config: Mapping[str, str] = field(default_factory=dict, hash=False)
    headers: HeadersSource | None = None
    name: str | None = None
    source: SourceTree | None = field(default=None, compare=False)

    @property
    def called(self) -> str:
        """As Candidate has it, or the name that its source gives."""
        return self.name or super().called
