# SPDX-License-Identifier: Apache-2.0
"""Runs of pytest from outside, each set in folders of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from run_harness import Laboratory


@pytest.fixture(scope="module")
def module_laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    """A laboratory whose runs several tests look at."""
    yield from _laboratory(tmp_path_factory.mktemp("laboratory"))


@pytest.fixture
def laboratory(tmp_path: Path) -> Iterator[Laboratory]:
    """A laboratory of one test's own."""
    yield from _laboratory(tmp_path)


@pytest.fixture
def other_laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    """A second one, beside it."""
    yield from _laboratory(tmp_path_factory.mktemp("other"))


def _laboratory(folder: Path) -> Iterator[Laboratory]:
    """Short names: sockets lie below the temporary folder."""
    temporary = Path(tempfile.mkdtemp(prefix="hrt-"))
    made = Laboratory(temporary, folder)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(temporary, ignore_errors=True)
