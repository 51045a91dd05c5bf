# SPDX-License-Identifier: Apache-2.0
"""Which Linux distribution a machine runs, by os-release(5)."""

from __future__ import annotations

import functools
import platform
from collections.abc import Mapping
from dataclasses import dataclass

# By the words of ID and ID_LIKE, the first that is there: Ubuntu's kin say "ubuntu debian", Red
# Hat's "rhel fedora", and have packages of their own.
_FAMILIES = {
    "ubuntu": "ubuntu",
    "debian": "debian",
    "rhel": "",
    "centos": "",
    "fedora": "fedora",
    "opensuse": "opensuse",
}
_COMMANDS = {
    "ubuntu": "apt-get install",
    "debian": "apt-get install",
    "fedora": "dnf install",
    "opensuse": "zypper install",
}


@dataclass(frozen=True)
class Distribution:
    """A distribution.

    Attributes:
        name: as it calls itself, `Fedora Linux 43`.
        family: whose package names it has, a column of packages.txt; "" where none is known.
    """

    name: str
    family: str

    @property
    def command(self) -> str:
        """What packages are installed with, as root; "" where it is not known."""
        return _COMMANDS.get(self.family, "")


def recognise(release: Mapping[str, str]) -> Distribution:
    """The distribution that the fields of an os-release tell of; `lab` goes by the same words."""
    words = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    known = (family for word, family in _FAMILIES.items() if word in words)
    return Distribution(release.get("PRETTY_NAME", "this machine"), next(known, ""))


@functools.cache
def this_machine() -> Distribution:
    """The distribution of this machine."""
    try:
        return recognise(platform.freedesktop_os_release())
    except OSError:
        return recognise({})
