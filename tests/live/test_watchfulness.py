# SPDX-License-Identifier: Apache-2.0
"""What looks for damage and leaks finds them, in a real guest."""

import pytest
from scenarios.test_races import test_two_pin_the_same_memory_at_once as two_pin_at_once

from hotremove.chance import Rounds
from hotremove.errors import HotremoveError
from hotremove.pins.kmod import load_module
from hotremove.pins.pin import PinnedInMovable
from hotremove.scenario import MIB

pytestmark = [pytest.mark.live, pytest.mark.hotremove]


@pytest.mark.topology("dma")
@pytest.mark.pins("rdma", "edu")
def test_changed_bytes_are_noticed_by_processor_and_device(pinner, traffic, map_on_node):
    data = traffic(pinner, map_on_node(0, MIB))
    pinner.pin(data.buffer)
    data.exchange()
    data.check()
    last = data.reach[-1]
    data.buffer.fill(1, last.end - 8, 8)
    with pytest.raises(AssertionError, match=rf"^[5-8] of {last} are not as written"):
        data.check()
    assert 5 <= data.buffer.device_mismatches(2, last.end - 8, 8) <= 8
    assert data.buffer.device_mismatches(1, last.end - 8, 8) == 0


def test_a_byte_outside_what_the_device_reaches_is_noticed_too(traffic, map_on_node, rdma):
    class Half:
        def reach(self, size, chance):
            return rdma.reach(size // 2, chance)

    data = traffic(Half(), map_on_node(0, 2 * MIB))
    rdma.pin(data.buffer)
    data.check()
    data.buffer.device_fill(1, 2 * MIB - 8, 8)
    with pytest.raises(AssertionError, match=r"of bytes 0x100000-0x1fffff are not as written"):
        data.check()


def test_a_pin_that_outlives_its_holder_is_a_leak(leaks, pin_hold, map_on_node):
    buffer = map_on_node(0, MIB)
    buffer.pin("kmod", "pin", detached=1)
    with pytest.raises(AssertionError, match=r"^256 page references of pins are left"):
        leaks.expect_none(buffer)


def test_memory_that_is_not_given_back_is_a_leak(leaks, rdma, map_on_node):
    buffer = map_on_node(0, MIB)
    rdma.pin(buffer)
    map_on_node(0, 16 * MIB)
    with pytest.raises(
        AssertionError, match=r"VmPin is 1048576 bytes .* MiB of free memory are gone"
    ):
        leaks.expect_none(buffer)


def test_an_offline_that_isolates_nothing_is_noticed(normal_dimm, ext4, vmsplice):
    normal_dimm.map(MIB, kind="file", file=ext4.path("data"))  # its holder's page tables come along
    hold, _ = normal_dimm.share(MIB)
    vmsplice.pin(hold)
    told = r"memory\d+ is not isolated by its offline: failure to isolate range"
    with pytest.raises(HotremoveError, match=told):
        normal_dimm.isolate_block_of(hold)


@pytest.fixture
def breakage(guest, farm, kernel):
    """Take folios that nobody could isolate for pinnable, as 6.1.129 and 6.12.14 did."""
    load_module(guest, farm.kmods(kernel).find("unfix"), "what=offlru")
    return lambda: int(guest.control.read("/sys/module/unfix/parameters/hits"))


def test_one_pinner_does_not_notice_folios_off_the_lru(movable_dimm, rdma, breakage):
    rdma.pin(movable_dimm.map(8 * MIB)).expect_migrated_from(movable_dimm.frames)
    assert breakage() == 0


def test_two_pinners_notice_folios_off_the_lru(movable_dimm, rdma, breakage):
    rounds = Rounds(seed=22, count=20, name="two pinners")
    with pytest.raises(PinnedInMovable, match="pages of pid"):
        two_pin_at_once(movable_dimm, rdma, rounds, print)
    assert breakage() > 0
