# SPDX-License-Identifier: Apache-2.0
"""What a kernel image tells of itself, whatever its format."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hotremove.architecture.architecture import Architecture
from hotremove.errors import UsageProblem


@dataclass(frozen=True)
class ImageFacts:
    """What an image tells: `release` as `uname -r` prints it, `build` the text after it."""

    release: str
    build: str
    arch: Architecture

    @property
    def version(self) -> str:
        """The Debian package version in the build text, else the release."""
        found = re.search(r"\bDebian (\d\S+)", self.build)
        return found.group(1) if found else self.release


def require_release(release: str, name: str) -> str:
    """The release, if it is one.

    Raises:
        UsageProblem: `name`, as the message calls the image, is damaged.
    """
    if not re.fullmatch(r"\d+\.\d+[\w.+~-]*", release):
        raise UsageProblem(f"{name} does not name its release: it is damaged, get a fresh copy")
    return release
