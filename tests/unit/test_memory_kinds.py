# SPDX-License-Identifier: Apache-2.0
"""The ways in which removable memory comes, as far as no guest is needed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hotremove.architecture.arm64 import ARM64
from hotremove.bootimage.kmods import kmod_names
from hotremove.errors import CapabilityAbsent, NotApplicable
from hotremove.kernels import capabilities
from hotremove.kernels.kernel import Candidate
from hotremove.memory.asking import Asking
from hotremove.memory.handled_dimm import require_no_handler
from hotremove.memory.kinds import DIMM, KINDS, VIRTIO_MEM, choose_kind
from hotremove.memory.virtio_mem_driver import count_interrupts
from hotremove.session.options import MEMORIES
from hotremove.units import MIB
from hotremove.virt.monitor import virtio_mem_size
from hotremove.virt.topology import load_topology

KERNEL = Candidate("debian:bookworm", "6.1.0-50-amd64", "6.1.176-1")
INTERRUPTS = """\
           CPU0       CPU1
  1:          9          0   IO-APIC   1-edge      i8042
 28:          0          3  PCI-MSIX-0000:00:05.0   0-edge      virtio1-config
 29:         17          0  PCI-MSIX-0000:00:05.0   1-edge      virtio1-virtqueues
 30:          0          8  PCI-MSIX-0000:00:06.0   0-edge      virtio11-config
 31:          5          5  IR-PCI-MSI 98304-edge      virtio2
NMI:          0          0   Non-maskable interrupts
"""


def test_options_and_kinds_have_the_same_names():
    assert tuple(KINDS) == MEMORIES


def test_the_default_is_the_machines_own_and_what_is_asked_for_wins():
    assert choose_kind("", KERNEL) is DIMM
    assert choose_kind("virtio-mem", KERNEL) is VIRTIO_MEM


def test_the_default_goes_by_the_kernels_architecture():
    kernel = Candidate("x", "6.1", "6.1", arch=ARM64)
    assert (choose_kind("", kernel), choose_kind("dimm", kernel)) == (VIRTIO_MEM, DIMM)


def test_a_module_handles_dimms_where_the_kernel_does_not():
    kind = KINDS["dimm-by-module"]
    assert kind.kmod in kmod_names()
    require_no_handler({"ARM64": "y"})
    require_no_handler({})
    with pytest.raises(NotApplicable, match="CONFIG_ACPI_HOTPLUG_MEMORY=y"):
        require_no_handler({"ACPI_HOTPLUG_MEMORY": "y"})
    options = dict.fromkeys(("ACPI", "MODULES", "KPROBES", "MEMORY_HOTREMOVE", "NUMA"), "y")
    capabilities.require(options, capabilities.find(kind.capability))
    with pytest.raises(CapabilityAbsent, match="CONFIG_KPROBES is not set"):
        capabilities.require(options | {"KPROBES": "n"}, capabilities.find(kind.capability))


def test_a_guest_has_the_device_from_the_start_and_a_dimm_when_it_comes():
    plain, own = load_topology("movable-node"), load_topology("virtio-mem")
    assert DIMM.equip(plain, 512) == plain
    assert VIRTIO_MEM.equip(plain, 2048) == replace(plain, virtio_mem_mib=2048)
    assert VIRTIO_MEM.equip(own, 128) == own


@pytest.mark.parametrize(
    ("devices", "count"),
    [(["virtio1"], 3), (["virtio2"], 10), (["virtio1", "virtio11"], 11), ([], 0), (["virtio9"], 0)],
)
def test_interrupts_of_a_device_that_tell_of_its_configuration(devices: list[str], count: int):
    assert count_interrupts(INTERRUPTS, devices) == count


def test_the_size_of_virtio_mem_is_told_among_other_devices():
    devices = [
        {"type": "dimm", "data": {"id": "ua-dimm", "size": 536870912}},
        {"type": "virtio-mem", "data": {"id": "ua-vm", "size": 8388608, "requested-size": 0}},
    ]
    assert virtio_mem_size(devices) == 8 * MIB
    with pytest.raises(KeyError, match="no virtio-mem device"):
        virtio_mem_size(devices[:1])


class Device:
    """A device that shrinks when its driver wants, and a clock."""

    def __init__(self) -> None:
        self.size, self.time, self.at_work, self.asked = 512 * MIB, 0.0, True, 0
        self.asking = Asking(lambda: self.size, lambda: self.at_work, self.ask, lambda: self.time)

    def ask(self) -> None:
        self.asked += 1

    def has_left(self, after: float) -> bool:
        self.time += after
        return self.asking.has_left()


def test_a_driver_at_work_is_not_asked_again_however_long_it_takes():
    device = Device()
    assert not any(device.has_left(after=1.0) for _ in range(60))
    assert device.asking.times == 1


def test_a_driver_that_gave_up_is_asked_again_but_not_while_the_size_changes():
    device = Device()
    device.at_work = False
    for size in (400, 300, 200):
        device.size = size * MIB
        assert not device.has_left(after=0.4)
    assert device.asked == 0
    assert not device.has_left(after=0.6)
    assert not device.has_left(after=0.2)
    assert (device.asked, device.asking.times) == (1, 2)


def test_what_has_left_is_not_asked_for():
    device = Device()
    device.size, device.at_work = 0, False
    assert device.has_left(after=9.0)
    assert device.asked == 0


@pytest.mark.parametrize(
    ("at_work", "gone", "ended"),
    [(True, False, False), (False, False, True), (True, True, True)],
)
def test_a_try_ends_with_the_memory_or_when_the_driver_gives_up(at_work, gone, ended):
    device = Device()
    device.at_work, device.time = at_work, 9.0
    if gone:
        device.size = 0
    assert device.asking.has_ended() == ended
