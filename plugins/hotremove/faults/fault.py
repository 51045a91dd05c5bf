# SPDX-License-Identifier: Apache-2.0
"""The catalogue of faults, as in faults.toml."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from hotremove import shapes
from hotremove.errors import UsageProblem

_FILE = Path(__file__).with_name("faults.toml")
KINDS = ("looked-at", "pages", "becomes", "given-back", "how-long", "said")
"""What a fault is about, in the catalogue's order."""
NO_MIGRATION = "no-migration"
"""The fault that stands for all: nothing is migrated."""
STAYS = "pin-stays"
"""The sign of pins that stay in ZONE_MOVABLE; a removal's own account of its pins shows it too."""
# By what it shows that memory does not leave, and that a call does not come back.
_STUCK = (STAYS, "in-swap-cache", "poison")
_ENDLESS = "endless"
ALL = "all"
"""What stands for every fault of the catalogue."""


@dataclass(frozen=True)
class Fault:
    """One way in which a kernel can be broken.

    Attributes:
        name: `no-migration`.
        kind: one of KINDS.
        sentence: what such a kernel does.
        signs: names of the signs by which it has to show, the likeliest first; one is enough.
        rare: whether it shows by chance, so that it takes more tries.
        memory: the kind of removable memory with which alone it can show, as `memory.kinds` calls
            it; empty where that makes no difference.
        patterns: what the message of a failure has to hold, a regular expression each.
    """

    name: str
    kind: str
    sentence: str
    signs: tuple[str, ...]
    rare: bool = False
    memory: str = ""
    patterns: tuple[str, ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        return self.name

    @property
    def gets_stuck(self) -> bool:
        """Whether the likeliest sign is that memory does not leave."""
        return self.signs[0] in _STUCK

    @property
    def is_endless(self) -> bool:
        """Whether the likeliest sign is that a call never comes back."""
        return self.signs[0] == _ENDLESS

    @property
    def pins_stay(self) -> bool:
        """Whether it shows by long-term pins in memory that cannot leave."""
        return STAYS in self.signs

    @property
    def spares_controls(self) -> bool:
        """Whether a control, which leaves out what is to move, must not notice it.

        The other kinds spoil what every test looks at: data, and what is given back.
        """
        return self.kind in KINDS[:2]

    def shows_in(self, message: str) -> bool:
        """Whether a failure's message names what this fault spoils."""
        return any(re.search(pattern, message) for pattern in self.patterns)


@dataclass(frozen=True)
class _Entry:
    """A fault as it is written down: its patterns are those of its signs."""

    name: str
    kind: str
    sentence: str
    signs: tuple[str, ...]
    rare: bool = False
    memory: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind: one of {', '.join(KINDS)}, not {self.kind!r}")
        if not re.fullmatch(r"[a-z]+(-[a-z]+)*", self.name):
            raise ValueError(f"{self.name!r} is no name: small letters and single hyphens")
        if not self.signs:
            raise ValueError("signs: by what does it show?")

    def fault(self, signs: Mapping[str, tuple[str, ...]]) -> Fault:
        unknown = ", ".join(repr(sign) for sign in self.signs if sign not in signs)
        if unknown:
            raise UsageProblem(f"fault {self.name!r}: unknown sign {unknown}")
        patterns = tuple(pattern for sign in self.signs for pattern in signs[sign])
        own = (self.name, self.kind, self.sentence, self.signs, self.rare, self.memory)
        return Fault(*own, patterns)


@dataclass(frozen=True)
class _Table:
    sign: dict[str, tuple[str, ...]]
    fault: tuple[_Entry, ...]

    def __post_init__(self) -> None:
        for name, patterns in self.sign.items():
            for pattern in patterns:
                _check(name, pattern)


def _check(name: str, pattern: str) -> None:
    try:
        matches_nothing = not re.search(pattern, "")
    except re.error as error:
        raise ValueError(f"sign {name!r}: not a regular expression: {error}") from None
    if not matches_nothing:
        raise ValueError(f"sign {name!r}: {pattern!r} is in every message")


def parse(source: object, text: str) -> tuple[Fault, ...]:
    """The faults that a catalogue, in TOML, lists; `source` is its name, for complaints.

    Raises:
        UsageProblem: it is of another shape, or a fault has a sign that is not in it.
    """
    table = shapes.from_toml(source, text, _Table)
    return tuple(entry.fault(table.sign) for entry in table.fault)


@cache
def catalogue() -> Mapping[str, Fault]:
    """Every fault there is, by its name."""
    return {fault.name: fault for fault in parse(_FILE, shapes.read_text(_FILE))}


def find_faults(names: Iterable[str], asker: str) -> tuple[Fault, ...]:
    """Faults by their names, each once; `all` stands for the whole catalogue.

    Args:
        names: the names.
        asker: who names them, for the complaint.

    Raises:
        UsageProblem: there is no such fault.
    """
    known = catalogue()
    wanted = dict.fromkeys(names)
    if ALL in wanted:
        return tuple(known.values())
    for name in wanted:
        if name not in known:
            raise UsageProblem(f"{asker}: no fault {name!r}; there are {', '.join(known)}")
    return tuple(known[name] for name in wanted)
