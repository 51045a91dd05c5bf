# SPDX-License-Identifier: Apache-2.0
"""Who pins may be limited, in how much memory there is for it and where: pinned, or refused."""

import errno

import pytest

from hotremove.scenario import MIB, PINNED, REMOVED, errno_name

pytestmark = pytest.mark.hotremove


@pytest.mark.notices("no-migration", "memcg-charge")
@pytest.mark.scenario(61, "a memory cgroup without room for a second copy")
def test_a_pin_moves_memory_within_a_tight_limit(movable_memory, rdma, cgroup):
    buffer = movable_memory.map(8 * MIB)
    cgroup.add(buffer)
    cgroup.limit(8 * MIB)
    movable_memory.renew(buffer)
    cgroup.expect_charged(8 * MIB)
    rdma.pin(buffer)
    movable_memory.unplug().expect(REMOVED)
    cgroup.expect_charged(8 * MIB)
    buffer.end("exits")
    cgroup.expect_charged(0)


@pytest.mark.scenario(61, "more is pinned than a memory cgroup may have: refused", unpinned=True)
@pytest.mark.allow_splat("oom", reason="more is wanted than is allowed", expires="2099-12-31")
def test_a_pin_beyond_the_limit_is_refused(movable_memory, rdma, cgroup, leak_check, record):
    buffer = movable_memory.map(16 * MIB, faulted=False)
    cgroup.add(buffer)
    cgroup.limit(8 * MIB)
    answer = rdma.try_to_pin(buffer)
    record(errno_name(answer))
    assert answer == errno.ENOMEM
    leak_check.expect_no_pins()
    movable_memory.unplug().expect(REMOVED)


@pytest.mark.scenario(61, "the memory cgroup has room", control=True)
def test_a_pin_within_the_limit_is_made(movable_memory, rdma, cgroup):
    buffer = movable_memory.map(8 * MIB, faulted=False)
    cgroup.add(buffer)
    cgroup.limit(32 * MIB)
    assert rdma.try_to_pin(buffer) == PINNED
    cgroup.expect_charged(8 * MIB)
    buffer.unpin()
    movable_memory.unplug().expect(REMOVED)


@pytest.mark.notices("no-longterm")
@pytest.mark.scenario(62, "memory bound to the movable node, or interleaved with it")
@pytest.mark.parametrize("policy", ["bind", "interleave"])
@pytest.mark.parametrize("faulted", [True, False], ids=["faulted", "untouched"])
def test_memory_with_a_policy_leaves(movable_memory, rdma, policy, faulted):
    buffer = movable_memory.map(8 * MIB, faulted=faulted, policy=policy)
    rdma.pin(buffer).expect_outside(movable_memory.frames)
    movable_memory.unplug().expect(REMOVED)


@pytest.mark.scenario(62, "memory with a policy, nothing pinned", control=True)
@pytest.mark.parametrize("policy", ["bind", "interleave"])
def test_memory_with_a_policy_that_nobody_pins_leaves(movable_memory, policy):
    movable_memory.map(8 * MIB, policy=policy)
    movable_memory.unplug().expect(REMOVED)
