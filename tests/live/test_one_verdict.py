# SPDX-License-Identifier: Apache-2.0
"""The same scenario run twenty times gives one verdict, on kernels of either kind."""

import pytest

pytestmark = [pytest.mark.live, pytest.mark.nightly]

TIMES = 20
SCENARIOS = f"""
import pytest
from hotremove.scenario import MIB, REMOVED, STUCK

pytestmark = [pytest.mark.hotremove, pytest.mark.parametrize("time", range({TIMES}))]

def test_pinned(movable_dimm, rdma, time):
    region = rdma.pin(movable_dimm.map(64 * MIB))
    movable_dimm.eject().expect(REMOVED)
    region.expect_migrated_from(movable_dimm.frames)

def test_spliced(movable_dimm, vmsplice, time):
    vmsplice.pin(movable_dimm.map(64 * MIB))
    movable_dimm.eject(deadline=4).expect(STUCK)
"""


@pytest.mark.parametrize(
    ("spec", "pinned"),
    [("debian:bullseye", ("fail", "stuck")), ("debian:bookworm", ("pass", "removed"))],
)
def test_twenty_runs_give_one_verdict(laboratory, spec, pinned):
    run = laboratory.start(SCENARIOS, "--hotremove-kernel", spec, "--hotremove-removal-deadline=6")
    run.wait(1500)
    found = {"test_pinned": [], "test_spliced": []}
    for row in run.rows:
        name = row.test.rpartition("::")[2].partition("[")[0]
        found[name].append((row.verdict, row.outcome))
    assert found["test_pinned"] == [pinned] * TIMES, run.text
    assert found["test_spliced"] == [("pass", "stuck")] * TIMES, run.text
