# SPDX-License-Identifier: Apache-2.0
"""CXL memory: who can have it, and what is written to sysfs for a region."""

from pathlib import Path

import pytest

from hotremove.architecture.arm64 import ARM64
from hotremove.architecture.x86_64 import X86_64
from hotremove.bootimage.initramfs import BootImage
from hotremove.cache import Cache
from hotremove.errors import CapabilityAbsent, Waived
from hotremove.guest.plan import find_emulator, has_property, make_plan, require_cxl
from hotremove.kernels.capabilities import find
from hotremove.kernels.kernel import Kernel
from hotremove.memory.cxl_region import BUS, Parts, Region, parse_parts
from hotremove.virt.topology import load_topology

MIB = 1 << 20
PARTS = Parts("decoder0.0", "decoder3.0", "mem0")
LISTED = "decoder0.0/create_ram_region\ndecoder3.0/dpa_size\ndecoder3.1/dpa_size\nmem0\n"
OLD, NEW = "memdev=<link<memory-backend>>", "volatile-memdev=<link<memory-backend>>"


def make_emulator(folder: Path, lists: str) -> str:
    """A program that answers as QEMU does when it is asked for the properties of a device."""
    program = folder / "qemu"
    program.write_text(f'#!/bin/sh\n[ "$*" = "-device cxl-type3,help" ] && echo "  {lists}"\n')
    program.chmod(0o755)
    return str(program)


def test_properties_that_devices_of_qemu_have():
    assert has_property(find_emulator(), "virtio-mem-pci", "memdev")
    assert not has_property(find_emulator(), "virtio-mem-pci", "mem")
    assert not has_property(find_emulator(), "flux-capacitor", "memdev")


def test_a_qemu_that_is_too_old_says_nothing_of_the_kernel(tmp_path):
    require_cxl("cxl", X86_64.machine, make_emulator(tmp_path, NEW))
    (tmp_path / "old").mkdir()
    old = make_emulator(tmp_path / "old", OLD)
    with pytest.raises(Waived, match=r"topology cxl: .*/qemu emulates no volatile .*: QEMU 8\.1"):
        require_cxl("cxl", X86_64.machine, old)


def test_guests_on_another_machine_may_have_it():
    require_cxl("cxl", X86_64.machine, None)
    with pytest.raises(Waived, match="guests on virt have no CXL memory"):
        require_cxl("cxl", ARM64.machine, None)


def test_a_kernel_without_it_is_absent_whatever_qemu_can_do(tmp_path, monkeypatch):
    config = {name: "y" for name in find("CXL memory").requires if name != "DEV_DAX_CXL"}
    (tmp_path / "image").touch()
    kernel = Kernel(
        "6.1", "6.1-1", tmp_path / "image", None, "host", config={**config, "X86_64": "y"}
    )
    image = BootImage(kernel, tmp_path / "initramfs", "k", (), ())
    old = make_emulator(tmp_path, OLD)
    monkeypatch.setattr("hotremove.guest.plan.find_emulator", lambda _: old)
    with pytest.raises(CapabilityAbsent, match=r"^no CXL memory: CONFIG_DEV_DAX_CXL is not set$"):
        make_plan(image, load_topology("cxl"), "tcg", Cache(tmp_path))


def test_parts_are_the_first_of_their_kind():
    assert parse_parts(LISTED) == PARTS


@pytest.mark.parametrize("line", ["decoder0.0/create_ram_region\n", "mem0\n", LISTED])
def test_there_is_no_region_before_all_parts_are_there(line):
    assert parse_parts(LISTED.replace(line, "")) is None


def test_a_region_is_bound_last_and_unbound_first():
    region = Region("region0", PARTS)
    made = region.creation(256 * MIB)
    assert made[0] == (f"{BUS}/decoder0.0/create_ram_region", "region0")
    assert (f"{BUS}/decoder3.0/dpa_size", "268435456") in made
    assert made[-2:] == (
        (f"{BUS}/region0/commit", "1"),
        ("/sys/bus/cxl/drivers/cxl_region/bind", "region0"),
    )
    assert [text for _, text in region.destruction()] == ["region0", "0", "region0", "0"]
    ended = [file.rpartition("/")[2] for file, _ in region.destruction()]
    assert ended == ["unbind", "commit", "delete_region", "dpa_size"]
