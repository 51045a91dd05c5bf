# SPDX-License-Identifier: Apache-2.0
"""Commands that the documentation shows select scenarios that there are."""

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
CHOICE = re.compile(r"hotremove .*-k (?:\"([^\"]+)\"|([a-z]\w+))")


def chosen() -> set[str]:
    """The words after -k in commands that run the suite, each by itself."""
    pages = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
    found = (one for page in pages for one in CHOICE.findall(page.read_text()))
    words = {word for pair in found for word in "".join(pair).split()}
    return words - {"or", "and", "not"}


@pytest.mark.parametrize("word", sorted(chosen()))
def test_what_is_chosen_is_there(word: str) -> None:
    files = (CHECKOUT / "scenarios").glob("test_*.py")
    assert any(word in path.name or word in path.read_text() for path in files)


def test_commands_are_found() -> None:
    assert {"test_memory_leaves", "under_an_rdma", "virtio_mem"} <= chosen()
