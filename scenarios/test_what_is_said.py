# SPDX-License-Identifier: Apache-2.0
"""What the kernel says of a removal, to who traces it: is it what it counts, and what it did?"""

import pytest

from hotremove.scenario import MIB, REMOVED

pytestmark = pytest.mark.hotremove


@pytest.mark.notices("no-migration", "no-tracepoint")
@pytest.mark.scenario(80, "trace events tell what is counted")
@pytest.mark.pins("rdma", "vfio")
def test_trace_events_tell_of_a_removal(movable_dimm, pinner, trace_events):
    pin = pinner.pin(movable_dimm.map(16 * MIB))
    movable_dimm.eject().expect(REMOVED)
    trace_events.expect_migrated(pin)
    trace_events.expect_isolated(movable_dimm.frames)
    trace_events.expect_agreement()


@pytest.mark.scenario(80, "trace events, nothing pinned", control=True)
def test_trace_events_tell_of_an_unpinned_removal(movable_dimm, trace_events):
    movable_dimm.map(16 * MIB)
    movable_dimm.eject().expect(REMOVED)
    trace_events.expect_no_pin()
    trace_events.expect_isolated(movable_dimm.frames)
    trace_events.expect_agreement()
