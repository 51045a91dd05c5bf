# SPDX-License-Identifier: Apache-2.0
"""PCI devices of the host: what sysfs must say, the XML, and that they are given back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hotremove.errors import HostProblem, UsageProblem
from hotremove.pins.vfio import find_by_ids
from hotremove.virt import hostdev, reaper
from hotremove.virt.hostdev import HostDevice, examine, parse_device

NIC = "0000:65:00.0"
VF = "0000:65:00.1"
BRIDGE = "0000:64:00.0"


class FakeSysfs:
    """A tree with the files and links that the kernel has, into which writes go as into files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bus = root / "bus/pci"
        (self.bus / "devices").mkdir(parents=True)

    def add(self, address: str, driver: str = "", group: int | None = 7, kind: str = "020000"):
        device = self.root / "devices/pci0000:64" / address
        device.mkdir(parents=True)
        facts = {"class": f"0x{kind}", "vendor": "0x15b3", "device": "0x1017", "numa_node": "1"}
        for name, content in {**facts, "driver_override": "(null)"}.items():
            (device / name).write_text(f"{content}\n")
        (self.bus / "devices" / address).symlink_to(device)
        if group is not None:
            folder = self.root / f"kernel/iommu_groups/{group}"
            (folder / "devices").mkdir(parents=True, exist_ok=True)
            (folder / "devices" / address).symlink_to(device)
            (device / "iommu_group").symlink_to(folder)
        self.bind(address, driver)

    def bind(self, address: str, driver: str) -> None:
        link = self.bus / "devices" / address / "driver"
        link.unlink(missing_ok=True)
        if driver:
            folder = self.bus / "drivers" / driver
            folder.mkdir(parents=True, exist_ok=True)
            for name in ("bind", "unbind"):
                (folder / name).touch()
            link.symlink_to(folder)


@pytest.fixture
def sysfs(tmp_path: Path) -> FakeSysfs:
    return FakeSysfs(tmp_path / "sys")


def look(sysfs: FakeSysfs, rebind: bool = False, address: str = NIC):
    return examine(HostDevice("rdma", address), rebind, sysfs.root)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rdma=0000:65:00.0",
        "gpu=host:0000:65:00.0",
        "rdma=host:65:00.0",
        "rdma=host:0000:65:00.8",
        "rdma=host:0000:65:00.0;reboot",
        "rdma=host:../../0000:65:00.0",
    ],
)
def test_a_device_written_otherwise_is_refused(text):
    with pytest.raises(UsageProblem, match="write rdma=host:0000"):
        parse_device(text)


def test_a_device_is_looked_at(sysfs):
    sysfs.add(NIC, "vfio-pci")
    found = look(sysfs)
    assert (found.driver, found.group, found.node) == ("vfio-pci", 7, 1)
    assert found.ids == ("0x15b3", "0x1017")
    assert not found.rebound


def test_a_device_that_is_not_there(sysfs):
    with pytest.raises(HostProblem, match=f"no PCI device {NIC}"):
        look(sysfs)


def test_without_an_iommu_there_is_no_group(sysfs):
    sysfs.add(NIC, group=None)
    with pytest.raises(HostProblem, match="no IOMMU group: the IOMMU is off"):
        look(sysfs)


def test_no_driver_of_the_host_is_unbound_without_being_told_to(sysfs):
    sysfs.add(NIC, "mlx5_core")
    with pytest.raises(UsageProblem, match="the host's driver mlx5_core has it"):
        look(sysfs)
    assert look(sysfs, rebind=True).rebound
    sysfs.add(VF, group=8)
    with pytest.raises(UsageProblem, match="no driver has it; --hotremove-rebind-devices"):
        look(sysfs, address=VF)
    assert (sysfs.bus / "drivers/mlx5_core/unbind").read_text() == ""


def test_a_group_is_given_away_as_a_whole(sysfs):
    sysfs.add(NIC, "vfio-pci")
    sysfs.add(BRIDGE, "pcieport", kind="060400")
    assert look(sysfs).group == 7
    sysfs.add(VF, "mlx5_core")
    with pytest.raises(HostProblem, match=f"{VF}, driven by mlx5_core, is in the same IOMMU group"):
        look(sysfs, rebind=True)


@pytest.mark.parametrize(
    ("driver", "managed"), [("vfio-pci", "no"), ("mlx5_core", "yes"), ("", "yes")]
)
def test_libvirt_takes_the_xml_and_keeps_it(sysfs, tmp_path, driver, managed):
    sysfs.add(NIC, driver)
    script = (
        "import sys, libvirt; c = libvirt.open('test:///default');"
        "d = c.defineXML(sys.stdin.read()); print(d.XMLDesc(0))"
    )
    domain = (
        "<domain type='test'><name>far</name><memory unit='MiB'>640</memory>"
        "<os><type>hvm</type></os><devices/></domain>"
    )
    given = hostdev.with_devices(domain, [look(sysfs, rebind=True)])
    kept = subprocess.run(
        [sys.executable, "-c", script], input=given, capture_output=True, text=True, check=True
    ).stdout
    assert f"<hostdev mode='subsystem' type='pci' managed='{managed}'>" in kept
    assert "<address domain='0x0000' bus='0x65' slot='0x00' function='0x0'/>" in kept


def test_a_device_goes_back_to_its_driver_after_any_death(sysfs, tmp_path):
    sysfs.add(NIC, "mlx5_core")
    directory = tmp_path / "hotremove-run"
    directory.mkdir()
    hostdev.remember(directory, [look(sysfs, rebind=True)], sysfs.root)
    sysfs.bind(NIC, "vfio-pci")  # as libvirt does for the guest; then the run dies
    reaper.reap(directory)
    assert (sysfs.bus / "drivers/vfio-pci/unbind").read_text() == NIC
    assert (sysfs.bus / "devices" / NIC / "driver_override").read_text() == "\n"
    assert (sysfs.bus / "drivers/mlx5_core/bind").read_text() == NIC
    assert not directory.exists()


def test_a_guest_that_lives_on_keeps_its_device(sysfs, tmp_path):
    sysfs.add(NIC, "mlx5_core")
    directory = tmp_path / "hotremove-run"
    directory.mkdir()
    hostdev.remember(directory, [look(sysfs, rebind=True)], sysfs.root)
    sysfs.bind(NIC, "vfio-pci")
    with subprocess.Popen(["sleep", "60"]) as guest:
        reaper.keep(directory, guest.pid)
        reaper.reap(directory, spare_kept=True)
        assert (sysfs.bus / "drivers/vfio-pci/unbind").read_text() == ""
        guest.kill()
    reaper.reap(directory, spare_kept=True)
    assert (sysfs.bus / "drivers/mlx5_core/bind").read_text() == NIC


def test_a_device_that_libvirt_gave_back_is_left_alone(sysfs, tmp_path):
    sysfs.add(NIC, "mlx5_core")
    directory = tmp_path / "hotremove-run"
    directory.mkdir()
    hostdev.remember(directory, [look(sysfs, rebind=True)], sysfs.root)
    reaper.reap(directory)
    assert (sysfs.bus / "drivers/mlx5_core/bind").read_text() == ""


def test_a_device_that_was_the_farms_to_begin_with_stays_so(sysfs, tmp_path):
    sysfs.add(NIC, "vfio-pci")
    directory = tmp_path / "hotremove-run"
    directory.mkdir()
    hostdev.remember(directory, [look(sysfs)], sysfs.root)
    reaper.reap(directory)
    assert (sysfs.bus / "drivers/vfio-pci/unbind").read_text() == ""


def test_a_guest_finds_it_by_its_ids(sysfs):
    sysfs.add(NIC)
    command = find_by_ids("0x15b3", "0x1017").replace("/sys", str(sysfs.root), 1)
    found = subprocess.run(["sh", "-c", command], capture_output=True, text=True).stdout
    assert found.split("/")[-2:] == [NIC, "device\n"]
