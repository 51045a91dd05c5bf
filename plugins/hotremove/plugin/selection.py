# SPDX-License-Identifier: Apache-2.0
"""How many tests a command line is about, before any is collected.

PYTEST_DONT_REWRITE: it has no assertions, and is imported before pytest could rewrite them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotremove.plugin.options import option, setting

_TEST = re.compile(r"^def (test_\w+)", re.MULTILINE)


def names_one_test(config: pytest.Config) -> bool:
    """Whether one test function is named, by itself or by a word of `-k`, for one kernel."""
    if len(setting(config, "kernels")) > 1 or option(config, "prove") or option(config, "faults"):
        return False
    if any("::" in words for words in config.args):
        return len(config.args) == 1 and config.args[0].count("::") == 1
    word: str = config.option.keyword.lower()
    return word.isidentifier() and sum(word in name for name in _names(config)) == 1


def _names(config: pytest.Config) -> Iterator[str]:
    """Of the files and their test functions, all that `-k` looks at but for a test's variants."""
    for words in config.args:
        place = config.invocation_params.dir / words
        for file in sorted(place.rglob("test_*.py")) if place.is_dir() else [place]:
            yield file.name.lower()
            yield from map(str.lower, _TEST.findall(_text(file)))


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return ""  # pytest says what is wrong with it
