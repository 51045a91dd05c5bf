# SPDX-License-Identifier: Apache-2.0
"""Fragments of a kernel configuration, and whether a kernel took what they ask for.

A fragment is a part of a .config. A line that ends in `# where known` may be in vain; of any other
the kernel's own make has to accept the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hotremove.errors import UsageProblem
from hotremove.resources import source_folder

_OPTIONAL = "# where known"
_SET = re.compile(r"CONFIG_(\w+)=(\S.*)")
_NOT_SET = re.compile(r"# CONFIG_(\w+) is not set")
_SUFFIX = ".config"


@dataclass(frozen=True)
class Wish:
    """An option's name without CONFIG_ and its value as a .config has it; `n` for not set."""

    name: str
    value: str
    optional: bool = False

    @property
    def line(self) -> str:
        """The line of a .config."""
        if self.value == "n":
            return f"# CONFIG_{self.name} is not set"
        return f"CONFIG_{self.name}={self.value}"

    def is_met(self, options: Mapping[str, str]) -> bool:
        """Whether a kernel's options have it; what is built in is there as a module's would be."""
        found = options.get(self.name, "n")
        return found == self.value.strip('"') or (self.value, found) == ("m", "y")


def known() -> tuple[str, ...]:
    """Names of the fragments in guests/kconfig/."""
    folder = source_folder("guests/kconfig")
    return tuple(sorted(path.stem for path in folder.glob(f"*{_SUFFIX}")))


def read(name: str) -> tuple[Wish, ...]:
    """The fragment of a name, or in the file of a path.

    Raises:
        UsageProblem: there is none, or it has a line that a .config could not have.
    """
    if name in known():
        path = source_folder("guests/kconfig") / f"{name}{_SUFFIX}"
    elif is_path(name):
        path = Path(name).expanduser()
    else:
        raise UsageProblem(
            f"there is no kernel configuration fragment {name!r}: write one of"
            f" {', '.join(known())}, or the path of a file, /PATH or ./PATH"
        )
    if not path.is_file():
        raise UsageProblem(f"there is no file {path} with a fragment of a kernel configuration")
    return parse(path.read_text(errors="replace"), path.name)


def is_path(name: str) -> bool:
    """Whether the word for a fragment names a file."""
    return name.startswith(("/", ".", "~"))


def parse(text: str, source: str) -> tuple[Wish, ...]:
    r"""The wishes of a fragment; `source` is how the message calls it.

    Raises:
        UsageProblem: a line is neither an option nor a comment.

    Example:
        >>> parse("CONFIG_NUMA=y\n# CONFIG_CMA is not set # where known", "x")
        (Wish(name='NUMA', value='y', optional=False), Wish(name='CMA', value='n', optional=True))
    """
    wishes = []
    for number, raw in enumerate(text.splitlines(), 1):
        line, mark, _ = raw.strip().partition(_OPTIONAL)
        optional = bool(mark)
        if found := _SET.fullmatch(line.strip()):
            wishes.append(Wish(found[1], found[2], optional))
        elif found := _NOT_SET.fullmatch(line.strip()):
            wishes.append(Wish(found[1], "n", optional))
        elif line and not line.startswith("#"):
            raise UsageProblem(f"{source}:{number}: {raw.strip()!r} is no line of a .config")
    return tuple(wishes)


def merged(fragments: Iterable[Sequence[Wish]]) -> tuple[Wish, ...]:
    """All wishes, each option once: a later fragment has the last word."""
    return tuple({wish.name: wish for fragment in fragments for wish in fragment}.values())


def render(wishes: Iterable[Wish]) -> str:
    """The wishes as a .config."""
    return "".join(f"{wish.line}\n" for wish in wishes)


def unmet(wishes: Iterable[Wish], options: Mapping[str, str]) -> tuple[Wish, ...]:
    """What a kernel's options do not have of the wishes."""
    return tuple(wish for wish in wishes if not wish.is_met(options))


def explain(lost: Iterable[Wish], options: Mapping[str, str], declared: set[str]) -> str:
    """Why each wish is lost, for a message; `declared` are the options that the kernel knows."""
    told = []
    for wish in lost:
        why = f"stays {options.get(wish.name, 'unset')}" if wish.name in declared else "not known"
        told.append(f"CONFIG_{wish.name}={wish.value} ({why})")
    return ", ".join(told)


def declared(tree: Path) -> set[str]:
    """The options that the Kconfig files of a source tree declare."""
    found: set[str] = set()
    for path in tree.rglob("Kconfig*"):
        if path.is_file():
            text = path.read_text(errors="replace")
            found.update(re.findall(r"^\s*(?:menu)?config (\w+)", text, re.MULTILINE))
    return found
