# SPDX-License-Identifier: Apache-2.0
"""A pin path of another package pins in a real guest as the farm's own do."""

import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.live
ACME = Path(__file__).parents[1] / "acme"
SCENARIO = """
import pytest

from hotremove.scenario import MIB, REMOVED


@pytest.mark.hotremove
@pytest.mark.pins("acme_ring", "uring", "acme_engine")
def test_leaves(movable_dimm, pinner):
    pin = pinner.pin(movable_dimm.map(32 * MIB))
    pin.expect_outside(movable_dimm.frames)
    movable_dimm.eject().expect(REMOVED)
"""


def test_a_path_of_another_package_pins(laboratory, monkeypatch):
    paths = (str(ACME), os.environ.get("PYTHONPATH", ""))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    run = laboratory.run(SCENARIO, "--without", "io_uring")
    verdicts = {row.test.rpartition("-")[2].rstrip("]"): row for row in run.rows}
    assert {name: row.verdict for name, row in verdicts.items()} == {
        "acme_ring": "pass",
        "uring": "waived",
        "acme_engine": "absent",
    }, run.text
    assert "CONFIG_ACME_ENGINE is not set" in verdicts["acme_engine"].message
