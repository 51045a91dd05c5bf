# SPDX-License-Identifier: Apache-2.0
"""Every module of kmods/ on the kernels the project is for."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.live

CHECKS = Path(__file__).parent / "faults" / "modules.py"


@pytest.mark.parametrize(
    "suite",
    [
        "bullseye",
        "bookworm",
        "trixie",
        pytest.param("trixie-backports", marks=pytest.mark.nightly),
        pytest.param("forky", marks=pytest.mark.nightly),
    ],
)
def test_modules(laboratory, suite):
    run = laboratory.run(CHECKS, "--kernel", f"debian:{suite}", seconds=900)
    assert run.wait() == 0, run.text
