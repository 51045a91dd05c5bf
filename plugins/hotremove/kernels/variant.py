# SPDX-License-Identifier: Apache-2.0
"""What a spec asks of a kernel that is compiled, beyond the source: `+FRAGMENT`, `+patch:FILE`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from hotremove.architecture.architecture import Architecture
from hotremove.architecture.known import DEFAULT, split_known
from hotremove.cache import digest
from hotremove.errors import UsageProblem
from hotremove.kernels import kconfig, patches
from hotremove.kernels.kconfig import KconfigOption
from hotremove.kernels.patches import Patch

SMALL, FULL = "hotremove", "debian"
"""What a configuration starts from: next to nothing, or Debian's own."""

_WORDS = re.compile(r"(.*?)((?:\+(?:[a-z][a-z-]*|[./~][^+]*|(?:patch|suite):[^+]*))*)")
_NAME = re.compile(r"[a-z][a-z-]*")
# Linux has 64 bytes for the whole release (UTS_RELEASE); the version takes a dozen.
_SUFFIX_LIMIT = 44


def split(text: str) -> tuple[str, tuple[str, ...]]:
    """What a spec says of the source, and the words that follow, each once.

    Raises:
        UsageProblem: an architecture is behind the words.

    Example:
        >>> split("bookworm/6.1.192-2+deb12u1+kasan")
        ('bookworm/6.1.192-2+deb12u1', ('kasan',))
    """
    _refuse_late_architecture(text)
    found = _WORDS.fullmatch(text)
    base, tail = found.groups() if found else (text, "")
    words = dict.fromkeys(tail.split("+")[1:])
    return base, tuple(word for word in words if word != SMALL)


def join(base: str, words: Iterable[str]) -> str:
    """What `split` takes apart, put together."""
    return "+".join((base, *words))


def _refuse_late_architecture(text: str) -> None:
    source, _, last = text.rpartition("+")
    word, arch = split_known(last)
    if source and word != last and _NAME.fullmatch(word):
        told = f"an architecture comes before the words, @{arch.debian}+{word}"
        raise UsageProblem(f"{text}: {told}")


@dataclass(frozen=True)
class Variant:
    """Fragments and patches by their words, in the order of the spec, and what processor for."""

    words: tuple[str, ...]
    arch: Architecture = field(default=DEFAULT, kw_only=True)

    @property
    def fragments(self) -> tuple[str, ...]:
        """The words that name a fragment."""
        return tuple(word for word in self.words if not patches.is_word(word))

    @property
    def patches(self) -> tuple[str, ...]:
        """The words that name patches."""
        return tuple(word for word in self.words if patches.is_word(word))

    @property
    def full(self) -> bool:
        """Whether it starts from Debian's configuration."""
        return FULL in self.fragments

    @property
    def names(self) -> tuple[str, ...]:
        """The fragments to read, the base first."""
        base = FULL if self.full else SMALL
        return (base, *(name for name in self.fragments if name != base))

    @property
    def suffix(self) -> str:
        """What the kernel's release has after the version."""
        words = [Path(name).stem if kconfig.is_path(name) else name for name in self.names]
        words += [patches.called(word) for word in self.patches]
        suffix = re.sub(r"[^\w.-]", "-", "-".join(("", *words)))
        if len(suffix) <= _SUFFIX_LIMIT:
            return suffix
        return f"-{words[0]}-{digest(suffix)[:8]}"

    def read(self) -> Changes:
        """The texts that the words name.

        Raises:
            UsageProblem: there is no such fragment or patch.
        """
        options = kconfig.merged(kconfig.read(name, self.arch) for name in self.names)
        return Changes(options, patches.read(self.patches))


@dataclass(frozen=True)
class Changes:
    """What fragments and patches say."""

    options: tuple[KconfigOption, ...]
    patches: tuple[Patch, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """Changes with the contents."""
        told = (kconfig.render(self.options),)
        return (*told, patches.key(self.patches)) if self.patches else told

    def kept_as(self, source: str) -> str:
        """What the cache calls such kernels: patches of one name can be others another day."""
        return f"{source} (patches {patches.key(self.patches)[:8]})" if self.patches else source
