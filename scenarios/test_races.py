# SPDX-License-Identifier: Apache-2.0
"""What if two things happen at once, or one thing very often? Chance decides; a seed repeats it."""

import pytest

from hotremove.scenario import MIB, REMOVED, errno_name

pytestmark = pytest.mark.hotremove


@pytest.mark.notices("no-migration", "off-lru", "shared-pages")
@pytest.mark.scenario(22, "two pin the same memory at once")
def test_two_pin_the_same_memory_at_once(movable_memory, rdma, rounds, record):
    shared = movable_memory.share(8 * MIB, holders=2)
    refused = 0
    for rng in rounds:
        movable_memory.renew(*shared)
        at_once = rdma.pin_at_once(shared, rng)
        rounds.note_race(at_once.raced)
        for region in at_once.pins():
            region.expect_outside(movable_memory.frames)
        refused += len(at_once.refused)
    movable_memory.unplug().expect(REMOVED)
    record(f"{refused} pins refused at first, in {rounds.count} rounds")


@pytest.mark.scenario(22, "one pins, the other only maps", control=True)
def test_one_pins_what_two_map(movable_memory, rdma, rounds):
    shared = movable_memory.share(8 * MIB, holders=2)
    for rng in rounds:
        movable_memory.renew(*shared)
        rdma.pin_at_once(shared[:1], rng)
    shared[0].unpin()
    movable_memory.unplug().expect(REMOVED)


@pytest.mark.notices("no-migration")
@pytest.mark.scenario(23, "pins race with offlining")
def test_pins_race_with_offlining(movable_memory, rdma, rounds):
    buffer = movable_memory.map(4 * MIB)
    for rng in rounds:
        movable_memory.renew(buffer)
        removal = movable_memory.race(lambda: rdma.begin(buffer), rng)
        removal.expect(REMOVED)
        rounds.note_race(removal.raced)
        for region in buffer.pins or [rdma.pin(buffer)]:  # what was refused can be pinned now
            region.expect_outside(movable_memory.frames)
        movable_memory.online()


@pytest.mark.scenario(24, "a pin of isolated memory in ZONE_NORMAL: reported only")
def test_pin_of_isolated_normal_memory(normal_memory, rdma, vmsplice, kernel, record):
    hold, buffer, offline = normal_memory.isolate_shared(MIB, vmsplice.pin)
    refusal = rdma.try_to_pin(buffer)
    hold.unpin()
    offline.ends(2)
    cma = kernel.config.get("CMA", "n")
    record(f"CONFIG_CMA={cma}: pin {errno_name(refusal)}, offline {offline.ending}")
    buffer.unpin()
    assert offline.ends(10), "the offline goes on with nothing pinned"


@pytest.mark.notices(
    "no-migration", "kept-pin", "isolated-count", rdma="pinned-vm", vfio="locked-vm"
)
@pytest.mark.scenario(27, "many cycles of pin, offline, online, unpin")
@pytest.mark.pins("rdma", "vfio")
def test_cycles_leak_nothing(movable_memory, pinner, leak_check, rounds):
    buffer = movable_memory.map(32 * MIB)
    for _ in rounds:
        movable_memory.renew(buffer)
        pinner.pin(buffer)
        movable_memory.offline().expect(REMOVED)
        movable_memory.online()
    buffer.unpin()
    leak_check.expect_none(buffer)


@pytest.mark.scenario(27, "cycles without a pin", control=True)
def test_cycles_without_a_pin_leak_nothing(movable_memory, leak_check, rounds):
    buffer = movable_memory.map(32 * MIB)
    for _ in rounds:
        movable_memory.renew(buffer)
        movable_memory.offline().expect(REMOVED)
        movable_memory.online()
    leak_check.expect_none(buffer)
