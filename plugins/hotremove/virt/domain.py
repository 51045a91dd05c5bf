# SPDX-License-Identifier: Apache-2.0
"""libvirt XML, made and changed by pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast
from uuid import UUID

from lxml import etree
from lxml.builder import E

from hotremove.architecture.architecture import Architecture
from hotremove.architecture.known import DEFAULT
from hotremove.architecture.machine import Iommu, Machine
from hotremove.virt.topology import Node, Topology

CONTROL_PORT = "org.hotremove.control"
VIRTIO_MEM = "ua-virtiomem0"
EVIDENCE_PORT = "org.hotremove.evidence"
Access = Literal["shared", "private"]
_QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"


@dataclass(frozen=True)
class Channels:
    """The guest's four ways out, as paths on the host (see docs/guest-protocol.md)."""

    directory: Path

    @property
    def console(self) -> Path:
        """Log of the kernel console, from its first byte."""
        return self.directory / "console.log"

    @property
    def shell(self) -> Path:
        """Socket of the shell a person can attach to."""
        return self.directory / "shell.sock"

    @property
    def control(self) -> Path:
        """Socket of the agent."""
        return self.directory / "control.sock"

    @property
    def evidence(self) -> Path:
        """Records of /dev/kmsg as they come."""
        return self.directory / "evidence.log"


@dataclass(frozen=True)
class Boot:
    """What a domain starts from: paths on the host and the kernel's command line.

    `firmware` is None where QEMU's own will do.
    """

    kernel: Path
    initramfs: Path
    cmdline: str
    firmware: Path | None = None


def domain_xml(
    name: str,
    topology: Topology,
    boot: Boot,
    channels: Channels,
    emulator: str,
    accelerator: str,
    gdb: int | None = None,
    arch: Architecture = DEFAULT,
) -> str:
    """The XML of a transient domain; `accelerator` is `kvm` or `tcg`, `gdb` a port on loopback."""
    machine = arch.machine
    domain = _e(
        "domain",
        _e("name", name),
        _e("maxMemory", str(topology.max_mib), slots=str(topology.dimm_slots), unit="MiB"),
        _e("memory", str(topology.boot_mib), unit="MiB"),
        _e("vcpu", str(topology.cpus)),
        _os(boot, arch),
        _features(topology, machine),
        _cpu(topology, accelerator, machine),
        # A guest that reboots has panicked (panic=-1) or triple-faulted: it must end, not loop.
        _e("on_poweroff", "destroy"),
        _e("on_reboot", "destroy"),
        _e("on_crash", "destroy"),
        _devices(topology, channels, emulator, arch),
        type="kvm" if accelerator == "kvm" else "qemu",
    )
    words = [
        *(*_edu(topology.edu), *_cxl(topology.cxl_mib)),
        *(*_gdb(gdb), *_counting(topology, machine)),
    ]
    if words:
        domain.append(_command_line(words))
    if topology.counts_instructions:
        domain.append(_clock())
    return etree.tostring(domain, pretty_print=True, encoding="unicode")


def _e(tag: str, *content: etree._Element | str, **attributes: str) -> etree._Element:
    """An element with its attributes, children and text."""
    return cast("etree._Element", E(tag, *content, attributes))


def _os(boot: Boot, arch: Architecture) -> etree._Element:
    return _e(
        "os",
        _e("type", "hvm", arch=arch.uname, machine=arch.machine.type),
        *_loader(boot.firmware),
        _e("kernel", str(boot.kernel)),
        _e("initrd", str(boot.initramfs)),
        _e("cmdline", boot.cmdline),
    )


def _loader(firmware: Path | None) -> list[etree._Element]:
    """A firmware that keeps no variables: each guest begins with the same."""
    if firmware is None:
        return []
    return [_e("loader", str(firmware), readonly="yes", type="pflash", stateless="yes")]


def _features(topology: Topology, machine: Machine) -> etree._Element:
    wanted = {**machine.features, **(machine.iommu.features if topology.iommu else {})}
    named = (_e(name, **attributes) for name, attributes in wanted.items())
    return _e("features", _e("acpi"), *named)


def _cpu(topology: Topology, accelerator: str, machine: Machine) -> etree._Element:
    cells = [_cell(number, node) for number, node in enumerate(topology.nodes)]
    hidden = (machine.cxl_hides or ()) if topology.cxl_mib else ()
    without = [_e("feature", policy="disable", name=name) for name in hidden]
    if accelerator == "kvm":
        numa = _e("numa", *cells)
        return _e("cpu", *without, numa, mode="host-passthrough", migratable="on")
    wanted = machine.processor_features
    features = [_e("feature", policy="require", name=name) for name in wanted] + without
    model = _e("model", machine.processor)
    return _e("cpu", model, *features, _e("numa", *cells), mode="custom", check="none")


def _cell(number: int, node: Node) -> etree._Element:
    cell = _e("cell", id=str(number), memory=str(node.mib), unit="MiB")
    if node.cpus:
        cell.set("cpus", node.cpus)
    return cell


def _devices(
    topology: Topology, channels: Channels, emulator: str, arch: Architecture
) -> etree._Element:
    machine = arch.machine
    devices = _e(
        "devices",
        _e("emulator", emulator),
        *_endpoints(topology.endpoints),
        _e("memballoon", model="none"),
        _serial("file", channels.console, {"port": "0"}),
        _serial("unix", channels.shell, machine.terminal_target),
        _channel("unix", CONTROL_PORT, channels.control),
        _channel("file", EVIDENCE_PORT, channels.evidence),
    )
    if topology.dimm_mib:
        devices.append(_at_power_on(topology, arch.memory))
    if topology.virtio_mem_mib:
        devices.append(_virtio_mem(topology.virtio_mem_mib, topology.movable_node))
    if topology.iommu:
        devices.append(_iommu(machine.iommu))
    return devices


def _source(kind: str, path: Path) -> etree._Element:
    if kind == "unix":
        return _e("source", mode="bind", path=str(path))
    return _e("source", path=str(path), append="on")


def _iommu(iommu: Iommu) -> etree._Element:
    driver = [_e("driver", **iommu.driver)] if iommu.driver else []
    return _e("iommu", *driver, model=iommu.model)


def _serial(kind: str, path: Path, target: Mapping[str, str]) -> etree._Element:
    return _e("serial", _source(kind, path), _e("target", **target), type=kind)


def _channel(kind: str, port: str, path: Path) -> etree._Element:
    return _e("channel", _source(kind, path), _e("target", type="virtio", name=port), type=kind)


def _endpoints(number: int) -> list[etree._Element]:
    """PCI functions for vfio-pci: xHCI controllers, which need nothing on the host.

    A network card would need a backend, and guests have no network.
    """
    if not number:
        return [_e("controller", type="usb", model="none")]
    return [_e("controller", type="usb", index=str(n), model="qemu-xhci") for n in range(number)]


def _edu(wanted: bool) -> list[str]:
    """QEMU's words for its edu device, which libvirt does not know (QEMU's docs/specs/edu.txt).

    libvirt gives its own devices slots from both ends of the bus.
    """
    return ["-device", "edu,bus=pcie.0,addr=0x10"] if wanted else []


def _cxl(mib: int) -> list[str]:
    """QEMU's words for a CXL host bridge, a port of it with a memory device, and their window.

    libvirt knows none of them (QEMU's docs/system/devices/cxl.rst).
    """
    if not mib:
        return []
    return [
        *("-machine", f"cxl=on,cxl-fmw.0.targets.0=cxl-bridge,cxl-fmw.0.size={mib}M"),
        *("-object", f"memory-backend-ram,id=cxl-ram,size={mib}M"),
        *("-device", "pxb-cxl,id=cxl-bridge,bus=pcie.0,addr=0x11,bus_nr=128"),
        *("-device", "cxl-rp,id=cxl-port,bus=cxl-bridge,chassis=128,slot=0"),
        *("-device", "cxl-type3,id=cxl-memory,bus=cxl-port,volatile-memdev=cxl-ram"),
    ]


def _gdb(port: int | None) -> list[str]:
    return ["-gdb", f"tcp:127.0.0.1:{port}"] if port is not None else []


def _command_line(words: list[str]) -> etree._Element:
    """Words for QEMU itself."""
    commandline = _of_qemu("commandline")
    for value in words:
        etree.SubElement(commandline, f"{{{_QEMU}}}arg", value=value)
    return commandline


def _of_qemu(tag: str) -> etree._Element:
    return etree.Element(f"{{{_QEMU}}}{tag}", nsmap={"qemu": _QEMU})


def without_capability(xml: str, name: str) -> str:
    """The same domain, for which libvirt makes no use of something that QEMU can do.

    The name is libvirt's own, and one that it does not know is refused (drvqemu, "Control of QEMU
    feature usage").
    """
    domain = etree.fromstring(xml.encode())
    capabilities = domain.find(f"{{{_QEMU}}}capabilities")
    if capabilities is None:
        capabilities = _of_qemu("capabilities")
        domain.append(capabilities)
    if all(one.get("capability") != name for one in capabilities):
        etree.SubElement(capabilities, f"{{{_QEMU}}}del", capability=name)
    return etree.tostring(domain, encoding="unicode")


def with_node_files(xml: str, nodes: Collection[int], access: Access) -> str:
    """The same domain, with the memory of `nodes` alone from files, which it writes to if shared.

    libvirt has the memory of DIMMs mapped as that of their node.
    """
    domain = etree.fromstring(xml.encode())
    for cell in domain.iterfind("cpu/numa/cell"):
        cell.attrib.pop("memAccess", "")
        if int(cell.get("id", "-1")) in nodes:
            cell.set("memAccess", access)
    return etree.tostring(domain, encoding="unicode")


def incoming(xml: str, name: str) -> str:
    """The same domain under another name, for a state that comes once QEMU is told from where."""
    domain = etree.fromstring(xml.encode())
    for tag in ("name", "uuid"):
        for element in domain.iterfind(tag):
            domain.remove(element)
    domain.insert(0, _e("name", name))
    commandline = domain.find(f"{{{_QEMU}}}commandline")
    words = _command_line(["-incoming", "defer"])
    if commandline is None:
        domain.append(words)
    else:
        commandline.extend(words)
    return etree.tostring(domain, encoding="unicode")


def _counting(topology: Topology, machine: Machine) -> list[str]:
    """What makes a guest do the same, instruction by instruction, whenever it is booted.

    An instruction takes 1 ns of the guest's time; time in which there is nothing to do is skipped.
    All randomness has one seed, and the UUID that libvirt makes up, from which the kernel draws
    more, is replaced. A guest's word to virtio-serial is dealt with by its own CPU, not by another
    thread that answers when the host lets it.
    """
    if not topology.counts_instructions:
        return []
    return [
        *("-icount", "shift=0,sleep=off", "-seed", "1", "-uuid", str(UUID(int=1))),
        *("-global", "virtio-serial-pci.ioeventfd=off", *machine.counting.words),
    ]


def _clock() -> etree._Element:
    """A date that is always the same at power-on and goes on with the guest's clock."""
    rtc = _e("timer", name="rtc", track="guest")
    return _e("clock", rtc, offset="absolute", start="1767225600")


def _at_power_on(topology: Topology, kind: str) -> etree._Element:
    """Removable memory that is there from power-on, as the architecture has it by default."""
    mib, node = topology.dimm_mib, topology.movable_node
    if kind == "virtio-mem":
        return _virtio_mem(mib, node, requested=mib)
    return _dimm("ua-dimm", mib, node)


def _virtio_mem(mib: int, node: int, requested: int = 0) -> etree._Element:
    """A virtio-mem device that gives the guest `requested` MiB until it is asked for others."""
    return _e(
        "memory",
        _e(
            "target",
            _e("size", str(mib), unit="MiB"),
            _e("node", str(node)),
            _e("block", "2", unit="MiB"),
            _e("requested", str(requested), unit="MiB"),
        ),
        _e("alias", name=VIRTIO_MEM),
        model="virtio-mem",
    )


def requested_virtio_mem(domain: str, mib: int) -> str:
    """The XML that makes a running domain's virtio-mem device give the guest `mib` MiB."""
    device = _find_virtio_mem(domain)
    for requested in device.iterfind("target/requested"):
        requested.text, unit = str(mib), "MiB"
        requested.set("unit", unit)
    return etree.tostring(device, encoding="unicode")


def _find_virtio_mem(domain: str) -> etree._Element:
    for device in etree.fromstring(domain.encode()).iterfind("devices/memory"):
        if device.get("model") == "virtio-mem":
            return device
    raise KeyError("the domain has no virtio-mem device")


def dimm_xml(alias: str, mib: int, node: int) -> str:
    """The XML of a DIMM of `mib` MiB on NUMA node `node`; the alias must begin with `ua-`."""
    return etree.tostring(_dimm(alias, mib, node), encoding="unicode")


def _dimm(alias: str, mib: int, node: int) -> etree._Element:
    target = _e("target", _e("size", str(mib), unit="MiB"), _e("node", str(node)))
    return _e("memory", target, _e("alias", name=alias), model="dimm")


def move_channels(xml: str, old: Channels, new: Channels) -> str:
    """The same domain with its channels' paths moved from one directory to another."""
    domain = etree.fromstring(xml.encode())
    for source in domain.iterfind("devices/*/source[@path]"):
        path = Path(source.get("path", ""))
        if path.parent == old.directory:
            source.set("path", str(new.directory / path.name))
    return etree.tostring(domain, encoding="unicode")
