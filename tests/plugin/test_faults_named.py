# SPDX-License-Identifier: Apache-2.0
"""The suite's markers: each word of `notices` is one of a variant that there is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROBE = """
import pytest

class Words:
    def pytest_collection_finish(self, session):
        for item in session.items:
            marker = item.get_closest_marker("notices")
            for word in marker.kwargs if marker else ():
                print("WORD", item.originalname, word, word in item.callspec.id.split("-"))

pytest.main(["-c", "tox.ini", "-q", "-p", "no:cacheprovider", "--collect-only", "scenarios",
    "--hotremove-kernel", "image:KERNEL"], plugins=[Words()])
"""


def test_each_word_is_of_a_variant(kernel_image: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROBE.replace("KERNEL", str(kernel_image))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    found: dict[str, bool] = {}
    for name, word, fits in re.findall(r"^WORD (\S+) (\S+) (\S+)$", done.stdout, re.MULTILINE):
        found[f"{name} {word}"] = found.get(f"{name} {word}", False) or fits == "True"
    assert len(found) > 8, done.stdout + done.stderr
    assert [word for word, fits in found.items() if not fits] == []
