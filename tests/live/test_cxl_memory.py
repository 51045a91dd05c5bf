# SPDX-License-Identifier: Apache-2.0
"""CXL memory in real guests, where QEMU has any; where it has none, that is what is told."""

from __future__ import annotations

import pytest
from test_kernel_reports import run as run_pytest

from hotremove.guest.plan import find_emulator, has_property
from hotremove.results.record import read_record

pytestmark = [pytest.mark.live, pytest.mark.takes(45)]

# The first series of Debian's whose kernels have it.
KERNEL = "debian:trixie"
SCENARIOS = """
import pytest

from hotremove.errors import HotremoveError
from hotremove.memory.cxl import CxlMemory
from hotremove.memory.cxl_region import BUS
from hotremove.scenario import MIB, REMOVED, STUCK

pytestmark = pytest.mark.topology("cxl")


def test_a_region_whose_memory_is_held_is_not_destroyed(cxl_memory, vmsplice, guest):
    buffer = cxl_memory.map(MIB)
    vmsplice.pin(buffer)
    cxl_memory.unplug(deadline=8).expect(STUCK)
    assert "region0" in guest.control.check(f"ls {BUS}")
    buffer.unpin()
    cxl_memory.unplug().expect(REMOVED)
    cxl_memory.expect_gone()


def test_what_is_left_is_told(cxl_memory):
    cxl_memory.unbind().expect(REMOVED)
    with pytest.raises(AssertionError, match="there are: dax_region0, mem0, region0"):
        cxl_memory.expect_gone()


def test_memory_in_another_zone_is_no_premise(guest):
    guest.control.write("/sys/devices/system/memory/auto_online_blocks", "online_kernel")
    with pytest.raises(HotremoveError, match="not online in node 1's zone Movable: .* Normal"):
        CxlMemory(guest)
"""


def test_cxl_memory_leaves_in_order_or_qemu_has_none(tmp_path):
    done = run_pytest(tmp_path, SCENARIOS, "--hotremove-kernel", KERNEL, "-n", "0")
    results = read_record(tmp_path / "artifacts" / "results.json")
    has = has_property(find_emulator(), "cxl-type3", "volatile-memdev")
    assert {one.verdict for one in results} == {"pass" if has else "waived"}, done.stdout
    assert len(results) == 3
    assert has or all("emulates no volatile CXL memory: QEMU 8.1" in one.message for one in results)
