# SPDX-License-Identifier: Apache-2.0
"""A kernel's build configuration: the text of its .config, and the copy some images carry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_OPTION = re.compile(r"^CONFIG_(\w+)=(.*)$", re.MULTILINE)


def parse(text: str) -> dict[str, str]:
    r"""Options of a .config without the CONFIG_ prefix; an option that is not set is absent.

    Example:
        >>> parse('CONFIG_NUMA=y\n# CONFIG_CMA is not set\nCONFIG_LOCALVERSION="-lab"')
        {'NUMA': 'y', 'LOCALVERSION': '-lab'}
    """
    return {name: _value(raw) for name, raw in _OPTION.findall(text)}


def read(path: Path) -> Mapping[str, str]:
    """Options of the .config at `path`; none when there is no such file."""
    return parse(path.read_text(errors="replace")) if path.is_file() else {}


def has_modules(options: Mapping[str, str]) -> bool:
    """True when the configuration builds some code as modules."""
    return "m" in options.values()


def _value(raw: str) -> str:
    """Strings lose their quotes and backslashes (scripts/kconfig/confdata.c writes them)."""
    if len(raw) >= 2 and raw[0] == raw[-1] == '"':
        return re.sub(r"\\(.)", r"\1", raw[1:-1])
    return raw
