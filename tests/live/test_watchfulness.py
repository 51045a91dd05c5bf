# SPDX-License-Identifier: Apache-2.0
"""What looks for damage and leaks finds them, in a real guest."""

import os
from pathlib import Path

import pytest
from run_harness import CHECKOUT

from hotremove.errors import HotremoveError
from hotremove.pins.take import take_pin
from hotremove.scenario import MIB

pytestmark = [pytest.mark.live, pytest.mark.hotremove]
OFF_LRU = Path(__file__).parent / "faults" / "off_lru.py"


@pytest.mark.topology("dma")
@pytest.mark.pins("rdma", "edu")
def test_changed_bytes_are_noticed_by_processor_and_device(pinner, traffic, map_on_node):
    data = traffic(pinner, map_on_node(0, MIB))
    pinner.pin(data.buffer)
    data.exchange()
    data.check()
    last = data.dma_ranges[-1]
    data.buffer.fill(1, last.end - 8, 8)
    with pytest.raises(AssertionError, match=rf"^[5-8] of {last} are not as written"):
        data.check()
    assert 5 <= data.buffer.device_mismatches(2, last.end - 8, 8) <= 8
    assert data.buffer.device_mismatches(1, last.end - 8, 8) == 0


def test_a_byte_outside_what_the_device_reaches_is_noticed_too(traffic, map_on_node, rdma):
    class Half:
        def dma_ranges(self, size, rng):
            return rdma.dma_ranges(size // 2, rng)

    data = traffic(Half(), map_on_node(0, 2 * MIB))
    rdma.pin(data.buffer)
    data.check()
    data.buffer.device_fill(1, 2 * MIB - 8, 8)
    with pytest.raises(AssertionError, match=r"of bytes 0x100000-0x1fffff are not as written"):
        data.check()


def test_a_pin_that_outlives_its_holder_is_a_leak(leak_check, pin_hold, map_on_node):
    buffer = map_on_node(0, MIB)
    take_pin(buffer, "kmod", "pin", detached=1)
    with pytest.raises(AssertionError, match=r"^256 page references of pins are left"):
        leak_check.expect_none(buffer)


def test_memory_that_is_not_given_back_is_a_leak(leak_check, rdma, map_on_node):
    buffer = map_on_node(0, MIB)
    rdma.pin(buffer)
    map_on_node(0, 16 * MIB)
    with pytest.raises(
        AssertionError, match=r"VmPin is 1048576 bytes .* MiB of free memory are gone"
    ):
        leak_check.expect_none(buffer)


def test_an_offline_that_isolates_nothing_is_noticed(normal_dimm, ext4, vmsplice):
    normal_dimm.map(MIB, kind="file", file=ext4.path("data"))  # its holder's page tables come along
    hold, _ = normal_dimm.share(MIB)
    vmsplice.pin(hold)
    told = r"memory\d+ is not isolated by its offline: failure to isolate range"
    with pytest.raises(HotremoveError, match=told):
        normal_dimm.isolate_block_of(hold)


def test_row_22_notices_folios_off_the_lru_and_one_pinner_does_not(laboratory, monkeypatch):
    """On a kernel that has a function to break for it: Debian's compiler inlines that of 6.1."""
    paths = (str(CHECKOUT), os.environ.get("PYTHONPATH", ""))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    run = laboratory.run(OFF_LRU, "--hotremove-kernel", "debian:trixie", seconds=900)
    assert run.wait() == 0, run.text
    assert [row.verdict for row in run.rows] == ["pass", "pass"], run.text
