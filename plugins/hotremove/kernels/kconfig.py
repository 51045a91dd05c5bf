# SPDX-License-Identifier: Apache-2.0
"""Fragments of a kernel configuration, and whether a kernel took what they ask for.

A fragment is a part of a .config. A line that ends in `# where known` may be in vain; of any other
the kernel's own make has to accept the value. `# on arm64` and `# on arm64, where known` are for
kernels of that architecture alone, by its name in Debian.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hotremove.architecture.architecture import Architecture
from hotremove.architecture.known import DEFAULT, by_debian
from hotremove.errors import UsageProblem
from hotremove.resources import source_folder

_REMARK = re.compile(r"# (?:on (?P<arch>\w+))?(?:, )?(?P<optional>where known)?\s*$")
_SET = re.compile(r"CONFIG_(\w+)=(\S.*)")
_NOT_SET = re.compile(r"# CONFIG_(\w+) is not set")
_SUFFIX = ".config"


@dataclass(frozen=True)
class KconfigOption:
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


def read(name: str, arch: Architecture = DEFAULT) -> tuple[KconfigOption, ...]:
    """What the fragment of a name, or the one in the file of a path, asks of an architecture.

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
    return parse(path.read_text(errors="replace"), path.name, arch)


def is_path(name: str) -> bool:
    """Whether the word for a fragment names a file."""
    return name.startswith(("/", ".", "~"))


def parse(text: str, source: str, arch: Architecture = DEFAULT) -> tuple[KconfigOption, ...]:
    r"""The options that a fragment asks for; `source` is how the message calls it.

    Raises:
        UsageProblem: a line is neither an option nor a comment.

    Example:
        >>> parse("# CONFIG_CMA is not set # where known", "x")
        (KconfigOption(name='CMA', value='n', optional=True),)
    """
    lines = enumerate((line.strip() for line in text.splitlines()), 1)
    read = (_read_line(line, f"{source}:{number}") for number, line in lines)
    return tuple(option for option, of in filter(None, read) if of in (None, arch))


def _read_line(line: str, place: str) -> tuple[KconfigOption, Architecture | None] | None:
    """The option of a line, and the architecture if it is for one alone; None for a comment."""
    remark = _REMARK.search(line)
    setting = line[: remark.start()].rstrip() if remark else line
    optional, name = bool(remark and remark["optional"]), remark and remark["arch"]
    arch = by_debian(name) if name else None
    found = _SET.fullmatch(setting) or _NOT_SET.fullmatch(setting)
    if found and (arch or not name):
        return KconfigOption(found[1], found[2] if found.re is _SET else "n", optional), arch
    if found or not (line.startswith("#") or not line):
        raise UsageProblem(f"{place}: {line!r} is no line of a .config")
    return None


def merged(fragments: Iterable[Sequence[KconfigOption]]) -> tuple[KconfigOption, ...]:
    """The options of all fragments, each once: a later fragment has the last word."""
    return tuple({option.name: option for fragment in fragments for option in fragment}.values())


def render(wanted: Iterable[KconfigOption]) -> str:
    """The options as a .config."""
    return "".join(f"{option.line}\n" for option in wanted)


def unmet(wanted: Iterable[KconfigOption], options: Mapping[str, str]) -> tuple[KconfigOption, ...]:
    """What a kernel's options do not have of what is wanted."""
    return tuple(option for option in wanted if not option.is_met(options))


def explain(lost: Iterable[KconfigOption], options: Mapping[str, str], declared: set[str]) -> str:
    """Why each option is lost, for a message; `declared` are the options that the kernel knows."""
    told = []
    for option in lost:
        why = (
            f"stays {options.get(option.name, 'unset')}" if option.name in declared else "not known"
        )
        told.append(f"CONFIG_{option.name}={option.value} ({why})")
    return ", ".join(told)


def declared(tree: Path) -> set[str]:
    """The options that the Kconfig files of a source tree declare."""
    found: set[str] = set()
    for path in tree.rglob("Kconfig*"):
        if path.is_file():
            text = path.read_text(errors="replace")
            found.update(re.findall(r"^\s*(?:menu)?config (\w+)", text, re.MULTILINE))
    return found
