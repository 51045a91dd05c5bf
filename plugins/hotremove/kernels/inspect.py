# SPDX-License-Identifier: Apache-2.0
"""What a kernel's configuration lets the farm do, and what it misses."""

from __future__ import annotations

from dataclasses import dataclass

from hotremove.kernels.kernel import Kernel


@dataclass(frozen=True)
class Option:
    """A configuration option the farm cares about, and what for."""

    name: str
    purpose: str


@dataclass(frozen=True)
class Fact:
    """An option in one kernel; `value` is None when it is not set."""

    option: Option
    value: str | None


@dataclass(frozen=True)
class Capability:
    """Something scenarios need; `requires` lists options, `A|B` when either will do."""

    name: str
    requires: tuple[str, ...]


OPTIONS = (
    Option("MEMORY_HOTPLUG", "plugging a DIMM"),
    Option("MEMORY_HOTREMOVE", "taking memory offline and removing it"),
    Option("ACPI_HOTPLUG_MEMORY", "DIMM plug and eject through ACPI"),
    Option("NUMA", "a movable node of its own"),
    Option("MIGRATION", "moving pages out of the movable zone"),
    Option("CMA", "recorded: with CMA isolated pages are not pinned"),
    Option("BLK_DEV_INITRD", "booting from an initramfs"),
    Option("SERIAL_8250_CONSOLE", "the kernel console"),
    Option("VIRTIO_PCI", "the control and evidence channels"),
    Option("VIRTIO_CONSOLE", "the control and evidence channels"),
    Option("DYNAMIC_DEBUG", "messages that name the reason of a failed offline"),
    Option("PROC_PAGE_MONITOR", "the pinned range's PFNs from pagemap"),
    Option("TRACING", "migration events with their reasons"),
    Option("INFINIBAND", "RDMA pins"),
    Option("INFINIBAND_USER_ACCESS", "RDMA pins from user space"),
    Option("RDMA_RXE", "a software RDMA device"),
    Option("DUMMY", "the network device below rxe"),
    Option("VFIO", "vfio pins"),
    Option("VFIO_PCI", "vfio pins through a PCI endpoint"),
    Option("VFIO_IOMMU_TYPE1", "vfio pins by MAP_DMA"),
    Option("INTEL_IOMMU", "the IOMMU that vfio needs"),
    Option("IO_URING", "io_uring registered buffers"),
    Option("UDMABUF", "udmabuf pins"),
    Option("VIRTIO_MEM", "removal through virtio-mem"),
    Option("DEV_DAX", "removal through dax/kmem"),
    Option("DEV_DAX_HMEM", "soft-reserved memory as a DAX device"),
    Option("DEV_DAX_KMEM", "removal through dax/kmem"),
    Option("ACPI_TABLE_UPGRADE", "boot memory that the firmware calls hotpluggable"),
    Option("HUGETLBFS", "hugetlb pins"),
    Option("TRANSPARENT_HUGEPAGE", "pins of large folios"),
    Option("MEMORY_NOTIFIER_ERROR_INJECT", "notifier failures on purpose"),
    Option("EXT4_FS", "pins of file mappings"),
    Option("BLK_DEV_LOOP", "a filesystem for file mappings"),
    Option("MODULES", "the farm's own modules"),
    Option("KPROBES", "modules that turn the fix off"),
    Option("LIVEPATCH", "modules that turn the fix off"),
)

CAPABILITIES = (
    Capability("boot", ("BLK_DEV_INITRD", "SERIAL_8250_CONSOLE", "VIRTIO_PCI", "VIRTIO_CONSOLE")),
    Capability("sysfs offline", ("MEMORY_HOTPLUG", "MEMORY_HOTREMOVE", "NUMA", "MIGRATION")),
    Capability("DIMM plug and eject", ("ACPI_HOTPLUG_MEMORY", "MEMORY_HOTREMOVE", "NUMA")),
    Capability("virtio-mem", ("VIRTIO_MEM", "MEMORY_HOTREMOVE")),
    Capability("dax/kmem", ("DEV_DAX", "DEV_DAX_HMEM", "DEV_DAX_KMEM", "MEMORY_HOTREMOVE")),
    Capability("movable boot memory", ("ACPI_TABLE_UPGRADE",)),
    Capability("rdma pins", ("INFINIBAND", "INFINIBAND_USER_ACCESS", "RDMA_RXE", "DUMMY")),
    Capability("vfio pins", ("VFIO", "VFIO_PCI", "VFIO_IOMMU_TYPE1", "INTEL_IOMMU")),
    Capability("io_uring pins", ("IO_URING",)),
    Capability("udmabuf pins", ("UDMABUF",)),
    Capability("hugetlb pins", ("HUGETLBFS",)),
    Capability("pins of huge pages", ("TRANSPARENT_HUGEPAGE",)),
    Capability("ext4 files", ("EXT4_FS", "BLK_DEV_LOOP")),
    Capability("modules of the farm", ("MODULES",)),
    Capability("turning the fix off", ("MODULES", "KPROBES|LIVEPATCH")),
    Capability("notifier failures", ("MEMORY_NOTIFIER_ERROR_INJECT",)),
)


def facts(kernel: Kernel) -> tuple[Fact, ...]:
    """Every option the farm cares about, as this kernel has it."""
    return tuple(Fact(option, kernel.config.get(option.name)) for option in OPTIONS)


def missing(kernel: Kernel, capability: Capability) -> tuple[str, ...]:
    """The options a capability lacks in this kernel; empty when it is there.

    A kernel without a configuration lacks nothing that is known: a probe in the guest decides.
    """
    if not kernel.config:
        return ()
    return tuple(name for name in capability.requires if not _enabled(kernel, name))


def compiler(kernel: Kernel) -> str:
    """The compiler that built it, as its configuration says (CONFIG_CC_VERSION_TEXT)."""
    return kernel.config.get("CC_VERSION_TEXT", "unknown")


def _enabled(kernel: Kernel, alternatives: str) -> bool:
    return any(kernel.config.get(name) in ("y", "m") for name in alternatives.split("|"))
