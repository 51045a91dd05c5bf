# SPDX-License-Identifier: Apache-2.0
"""What pytest imports for everybody in whose environment the plugin is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
OWN_FILE = "plugin/pytest_private.py"
IMPORTED = """
import sys
import pytest
before = set(sys.modules)
import hotremove.plugin
for name in hotremove.plugin.pytest_plugins:
    __import__(name)
names = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(names - set(sys.stdlib_module_names) - {"hotremove"}))
"""
PRIVATE = re.compile(
    r"(?:from|import) _pytest|\._(?:initrequest|tw|fixtureinfo)\b|writer(?:\(\))?\._file"
)


def test_the_plugin_imports_nothing_but_pytest_and_the_standard_library() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED],
        env={**os.environ, "PYTHONPATH": str(PLUGINS)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []


def test_pytests_private_names_stand_in_one_file() -> None:
    package = PLUGINS / "hotremove"
    used = {
        str(path.relative_to(package))
        for path in (package / "plugin").rglob("*.py")
        if PRIVATE.search(path.read_text())
    }
    assert used == {OWN_FILE}


def test_that_file_says_with_which_versions_it_was_tried() -> None:
    text = (PLUGINS / "hotremove" / OWN_FILE).read_text()
    found = re.search(r"pytest ([\d.]+) and ([\d.]+)", text)
    assert found
    oldest, newest = found.groups()
    assert (
        f'"pytest>={oldest.removesuffix(".0")}"' in (PLUGINS.parent / "pyproject.toml").read_text()
    )
    major = int(newest.partition(".")[0])
    assert int(pytest.__version__.partition(".")[0]) <= major, "try it, and say so there"
