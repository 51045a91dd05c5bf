# SPDX-License-Identifier: Apache-2.0
"""Pins that are not like the others, and an offline that somebody objects to."""

import pytest

from hotremove.scenario import MIB, REFUSED, REMOVED

pytestmark = pytest.mark.hotremove


@pytest.mark.notices("no-migration", "caller-udmabuf")
@pytest.mark.scenario(28, "udmabuf of a memfd held")
def test_memory_leaves_under_a_udmabuf(movable_memory, udmabuf):
    pages = udmabuf.pin(movable_memory.map(32 * MIB, kind="memfd"))
    movable_memory.unplug().expect(REMOVED)
    pages.expect_outside(movable_memory.frames)


@pytest.mark.scenario(28, "the memfd is on node 0", control=True)
def test_memory_leaves_beside_a_udmabuf_elsewhere(movable_memory, udmabuf, map_on_node):
    udmabuf.pin(map_on_node(0, 32 * MIB, kind="memfd"))
    movable_memory.unplug().expect(REMOVED)


@pytest.mark.notices("isolated-after-notifier", "no-log-line")
@pytest.mark.scenario(30, "a notifier objects, pin held")
def test_memory_stays_when_a_notifier_objects(movable_memory, rdma, notifier_veto):
    rdma.pin(movable_memory.map(32 * MIB))
    notifier_veto.object()
    removal = movable_memory.unplug()
    removal.expect(REFUSED)
    removal.expect_reason("notifier failure")
    movable_memory.expect_allocatable()


@pytest.mark.notices("isolated-after-notifier", "no-log-line")
@pytest.mark.scenario(30, "a notifier objects and gives in, nothing pinned", control=True)
def test_memory_leaves_once_the_notifier_agrees(movable_memory, notifier_veto):
    movable_memory.map(32 * MIB)
    notifier_veto.object()
    removal = movable_memory.unplug()
    removal.expect(REFUSED)
    removal.expect_reason("notifier failure")
    movable_memory.expect_allocatable()
    notifier_veto.agree()
    movable_memory.unplug().expect(REMOVED)
