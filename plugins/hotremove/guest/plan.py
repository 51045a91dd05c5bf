# SPDX-License-Identifier: Apache-2.0
"""What a guest is made from. Two guests of one plan are the same until they run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from hotremove import processes
from hotremove.architecture.architecture import Architecture
from hotremove.architecture.known import DEFAULT
from hotremove.architecture.machine import Machine
from hotremove.bootimage.early import with_early_file
from hotremove.bootimage.firmware import find_firmware
from hotremove.bootimage.initramfs import BootImage
from hotremove.bootimage.vmlinux import boot_file
from hotremove.cache import Cache, digest
from hotremove.errors import Blocked, NotApplicable, Waived
from hotremove.hosttools import tool
from hotremove.kernels import capabilities
from hotremove.units import MIB
from hotremove.virt import domain, firmware
from hotremove.virt.domain import Boot, Channels, domain_xml
from hotremove.virt.hostdev import Found, with_devices
from hotremove.virt.topology import Topology

# panic=-1: a panic ends QEMU at once (the domain is destroyed on reboot), so that no test waits
#   for a dead guest; the console has the panic by then.
# printk.devkmsg=on: marks written to /dev/kmsg are not rate-limited.
# dyndbg: `memory offlining … failed due to …` is a debug message, and from 6.1 `Offlined Pages`.
_CMDLINE = (
    "panic=-1 printk.devkmsg=on loglevel=7 log_buf_len=4M",
    "memhp_default_state=online_movable",
    'dyndbg="file mm/memory_hotplug.c +p"',
)


@dataclass(frozen=True)
class BootTask:
    """What a guest does as soon as it is up, before anything from outside may reach it.

    Attributes:
        word: the kernel parameter that tells it what.
        mark: what its console says when it is done.
        seconds: how long it may take.
    """

    word: str
    mark: str
    seconds: float


@dataclass(frozen=True)
class GuestPlan:
    """A kernel with its boot image, on a machine of some topology.

    Attributes:
        image: what to boot, with the kernel under test.
        boot: the files and the command line.
        topology: the machine.
        accelerator: `kvm` or `tcg`.
        emulator: path of QEMU.
        boot_task: what it has to do first, if anything; such a guest is booted each time.
        devices: PCI devices of the host; a guest with one cannot be saved.
    """

    image: BootImage
    boot: Boot
    topology: Topology
    accelerator: str
    emulator: str
    boot_task: BootTask | None = None
    devices: tuple[Found, ...] = ()

    @property
    def key(self) -> str:
        """Content key of the booted machine, but for the hypervisor's versions."""
        return digest(
            Path(domain.__file__),
            self.image.key,
            self.boot.kernel.parent.name,
            self.boot.initramfs.parent.name,
            self.boot.cmdline,
            *([str(self.boot.firmware), _which(self.boot.firmware)] if self.boot.firmware else []),
            self.topology.fingerprint,
            repr(self.arch.machine),
            self.accelerator,
            self.emulator,
            _which(Path(self.emulator)),
            _host_processor() if self.accelerator == "kvm" else "",
        )

    def with_boot_task(self, task: BootTask) -> GuestPlan:
        """The same guest with something to do first."""
        return replace(self.with_parameter(task.word), boot_task=task)

    def with_parameter(self, word: str) -> GuestPlan:
        """The same guest with one more kernel parameter."""
        boot = replace(self.boot, cmdline=f"{self.boot.cmdline} {word}")
        return replace(self, boot=boot)

    @property
    def arch(self) -> Architecture:
        """The guest's processor."""
        return self.image.kernel.arch

    def xml(self, name: str, channels: Channels, gdb: int | None = None) -> str:
        """The XML of a domain of this plan."""
        how = (self.emulator, self.accelerator, gdb, self.arch)
        xml = domain_xml(name, self.topology, self.boot, channels, *how)
        return with_devices(xml, self.devices)

    def device(self, kind: str) -> Found | None:
        """The host's device of a kind, where the guest has one."""
        return next((found for found in self.devices if found.device.kind == kind), None)


def make_plan(
    image: BootImage,
    topology: Topology,
    accelerator: str,
    cache: Cache,
    emulator: str | None = None,
) -> GuestPlan:
    """The plan for an image on a topology; `emulator` is QEMU on the guest's machine.

    Raises:
        HostProblem: there is no QEMU.
        Blocked: QEMU was built without a device that the topology has.
        CapabilityAbsent: the topology has CXL memory, and the kernel no use for it.
        Waived: it has, and QEMU cannot give any.
    """
    machine = image.kernel.arch.machine
    is_here = emulator is None  # another machine's tells when a guest is started
    emulator = emulator or find_emulator(image.kernel.arch)
    if topology.edu and is_here and not has_device(emulator, "edu"):
        wanted = "install one that was built with it"
        raise Blocked(f"topology {topology.name}: {emulator} has no edu device: {wanted}")
    if topology.cxl_mib:
        image.require(capabilities.find("CXL memory"))
        require_cxl(topology.name, machine, emulator if is_here else None)
    initramfs = image.initramfs
    if any(node.hotpluggable for node in topology.nodes):
        initramfs = with_early_file(image, firmware.PATH, firmware.srat(topology, machine), cache)
    boot = Boot(
        boot_file(image.kernel, cache),
        initramfs,
        _cmdline(topology, machine),
        find_firmware(machine, cache),
    )
    return GuestPlan(image, boot, topology, accelerator, emulator)


def require_cxl(name: str, machine: Machine, emulator: str | None) -> None:
    """Make sure that QEMU, where it is here, can give a guest volatile CXL memory.

    Raises:
        Waived: it cannot, which says nothing of the kernel.
    """
    if machine.cxl_hides is None:
        raise Waived(f"topology {name}: guests on {machine.type} have no CXL memory")
    if emulator and not has_property(emulator, "cxl-type3", "volatile-memdev"):
        wanted = "QEMU 8.1 or later does, as of Debian 13"
        raise Waived(f"topology {name}: {emulator} emulates no volatile CXL memory: {wanted}")


def _cmdline(topology: Topology, machine: Machine) -> str:
    words = (
        f"console={machine.console}",
        *_CMDLINE,
        machine.cmdline,
        machine.iommu.cmdline if topology.iommu else "",
        *soft_reserve(topology, machine),
        machine.counting.cmdline if topology.counts_instructions else "",
        topology.cmdline,
    )
    return " ".join(word for word in words if word)


@cache
def has_device(emulator: str, name: str) -> bool:
    """Whether a QEMU was built with a device."""
    listed = processes.run([emulator, "-device", "help"], "asking QEMU for its devices")
    return f'name "{name}"' in listed.stdout


@cache
def has_property(emulator: str, device: str, name: str) -> bool:
    """Whether a QEMU has a device, and the device a property."""
    told = processes.run([emulator, "-device", f"{device},help"], "asking QEMU for a device")
    return any(line.strip().startswith(f"{name}=") for line in told.stdout.splitlines())


def _which(path: Path) -> str:
    """Which file of its name it is, unread: a firmware has 64 MiB, and each test asks.

    On another machine the name has to do.
    """
    if not path.is_file():
        return ""
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns}"


def soft_reserve(topology: Topology, machine: Machine) -> list[str]:
    """The kernel parameter that makes memory soft-reserved, where the topology has some.

    Raises:
        NotApplicable: kernels of this architecture have no such parameter.
    """
    mib = topology.soft_reserved_mib
    if not mib:
        return []
    if not machine.soft_reserve:
        told = f"kernels on {machine.type} take no parameter that has memory soft-reserved"
        raise NotApplicable(f"topology {topology.name}: {told}")
    start = sum(node.mib for node in topology.nodes[: topology.movable_node])
    start += machine.memory_start // MIB
    return [machine.soft_reserve.format(mib=mib, start=start)]


def _host_processor() -> str:
    """What a guest under KVM sees of the host: a saved one cannot go on with another processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags"))}))


def find_emulator(arch: Architecture = DEFAULT) -> str:
    """Path of QEMU for an architecture.

    Raises:
        HostProblem: it is not installed.
    """
    return tool(arch.machine.emulator, arch.machine.package)
