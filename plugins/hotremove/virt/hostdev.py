# SPDX-License-Identifier: Apache-2.0
"""PCI devices of the host for a guest: `--hotremove-device rdma=host:0000:65:00.0`.

Looked at first, in sysfs: the IOMMU group, who drives it, its NUMA node. libvirt binds a device to
vfio-pci and gives it back with the guest's end; what the guest's owner cannot do because it was
killed, its watchdog does (virt/reaper.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from lxml import etree
from lxml.builder import E

from hotremove.errors import HostProblem, UsageProblem
from hotremove.virt.reaper import DEVICES

KINDS = ("rdma", "vfio")
# What drives RDMA devices, for the guest to find its own; they are in no image but for that.
RDMA_DRIVERS = ("mlx5_ib", "mlx4_ib", "irdma", "bnxt_re", "efa", "qedr", "cxgb4")
SYSFS = Path("/sys")
_VFIO = "vfio-pci"
_OPTION = re.compile(
    r"(?P<kind>\w+)=host:(?P<domain>[0-9a-f]{4}):(?P<bus>[0-9a-f]{2}):(?P<slot>[01][0-9a-f])\.(?P<function>[0-7])"
)
# PCI classes of bridges: they are in their children's groups, and nobody gives them away.
_BRIDGE = "0x06"


@dataclass(frozen=True)
class HostDevice:
    """A device that a guest is to have.

    Attributes:
        kind: the scenarios' device it stands in for: `rdma` or `vfio`.
        address: on the host, 0000:65:00.0.
    """

    kind: str
    address: str


@dataclass(frozen=True)
class Found:
    """What sysfs says of a device.

    Attributes:
        device: which.
        driver: who drives it; empty for nobody, which leaves it to nobody.
        group: number of its IOMMU group.
        node: its NUMA node; -1 where the machine has but one.
        ids: vendor and device, by which a guest finds it.
    """

    device: HostDevice
    driver: str
    group: int
    node: int
    ids: tuple[str, str]

    @property
    def rebound(self) -> bool:
        """Whether it has to be bound to vfio-pci; the kernel then looks for a driver of its own."""
        return self.driver != _VFIO


def parse_device(text: str) -> HostDevice:
    """A device as the command line names it.

    Raises:
        UsageProblem: it is written otherwise.
    """
    found = _OPTION.fullmatch(text)
    if not found or found["kind"] not in KINDS:
        raise UsageProblem(
            f"--hotremove-device {text}: write rdma=host:0000:65:00.0 or vfio=host:…"
        )
    return HostDevice(found["kind"], text.partition("=host:")[2])


def examine(device: HostDevice, rebind: bool, sysfs: Path = SYSFS) -> Found:
    """Look at a device before any guest has it.

    Args:
        device: which.
        rebind: whether it may be bound to vfio-pci.
        sysfs: where sysfs is mounted.

    Raises:
        HostProblem: it is not there, has no IOMMU group, or shares one with a device in use.
        UsageProblem: vfio-pci does not have it, and `rebind` is not given.
    """
    folder = sysfs / "bus/pci/devices" / device.address
    if not folder.is_dir():
        raise HostProblem(f"--hotremove-device: this machine has no PCI device {device.address}")
    group = folder / "iommu_group"
    if not group.exists():
        raise HostProblem(
            f"--hotremove-device {device.address}: it is in no IOMMU group: the IOMMU is off; boot "
            "with intel_iommu=on or amd_iommu=on, and see to the firmware's settings"
        )
    found = Found(device, _driver(folder), int(group.resolve().name), _node(folder), _ids(folder))
    _require_own_group(found, group)
    if found.rebound and not rebind:
        has = f"the host's driver {found.driver} has it" if found.driver else "no driver has it"
        raise UsageProblem(
            f"--hotremove-device {device.address}: {has}; --hotremove-rebind-devices lets the farm "
            "bind it to vfio-pci for as long as a guest has it"
        )
    return found


def hostdev_xml(found: Found) -> str:
    """The XML of the device in a domain; its alias tells scenarios which one it is.

    libvirt rebinds it (`managed`) only where vfio-pci does not have it already.
    """
    domain, bus, rest = found.device.address.split(":")
    slot, function = rest.split(".")
    numbers = {"domain": domain, "bus": bus, "slot": slot, "function": function}
    address = {name: f"0x{number}" for name, number in numbers.items()}
    hostdev = E.hostdev(
        E.source(E.address(**address)),
        E.alias(name=f"ua-{found.device.kind}"),
        mode="subsystem",
        type="pci",
        managed="yes" if found.rebound else "no",
    )
    return str(etree.tostring(hostdev, encoding="unicode"))


def with_devices(xml: str, found: Sequence[Found]) -> str:
    """A domain with the devices; libvirt locks its memory, for them to reach."""
    if not found:
        return xml
    domain = etree.fromstring(xml.encode())
    place = cast("etree._Element", domain.find("devices"))
    for each in found:
        place.append(etree.fromstring(hostdev_xml(each)))
    return etree.tostring(domain, encoding="unicode")


def remember(directory: Path, found: Sequence[Found], sysfs: Path = SYSFS) -> None:
    """Write into a run directory which drivers are to have their devices back."""
    if not found:
        return
    rows = [[each.device.address, each.driver] for each in found if each.rebound]
    (directory / DEVICES).write_text(json.dumps({"sysfs": str(sysfs), "devices": rows}))


def _driver(folder: Path) -> str:
    link = folder / "driver"
    return link.resolve().name if link.exists() else ""


def _ids(folder: Path) -> tuple[str, str]:
    return (folder / "vendor").read_text().strip(), (folder / "device").read_text().strip()


def _node(folder: Path) -> int:
    try:
        return int((folder / "numa_node").read_text())
    except (OSError, ValueError):
        return -1


def _require_own_group(found: Found, group: Path) -> None:
    for other in sorted((group / "devices").iterdir()):
        if other.name == found.device.address:
            continue
        is_bridge = (other / "class").read_text().startswith(_BRIDGE)
        if not is_bridge and _driver(other) not in ("", _VFIO):
            raise HostProblem(
                f"--hotremove-device {found.device.address}: {other.name}, driven by "
                f"{_driver(other)}, is in the same IOMMU group {found.group}: they can only be "
                "given away together"
            )
