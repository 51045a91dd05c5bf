# SPDX-License-Identifier: Apache-2.0
"""What a kernel's configuration lets the farm do, and what it misses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from hotremove.architecture.known import of_config
from hotremove.errors import Blocked, CapabilityAbsent
from hotremove.kernels.kernel import Kernel


@dataclass(frozen=True)
class Option:
    """A configuration option the farm cares about, and what for.

    One that every architecture has another for goes by what it is: `Architecture.options`.
    """

    name: str
    purpose: str


@dataclass(frozen=True)
class Fact:
    """An option in one kernel; `value` is None when it is not set."""

    option: Option
    value: str | None


@dataclass(frozen=True)
class Capability:
    """Something scenarios need.

    Attributes:
        name: what a reader calls it, a plural or a mass noun.
        requires: options as in `Option`, `A|B` when either will do.
        modules: drivers that can be modules, without which there is nothing to set up.
    """

    name: str
    requires: tuple[str, ...]
    modules: tuple[str, ...] = ()


OPTIONS = (
    Option("MEMORY_HOTPLUG", "plugging a DIMM"),
    Option("MEMORY_HOTREMOVE", "taking memory offline and removing it"),
    Option("ACPI_HOTPLUG_MEMORY", "DIMM plug and eject through ACPI"),
    Option("ACPI", "DIMM plug and eject by a module of the farm"),
    Option("NUMA", "a movable node of its own"),
    Option("MIGRATION", "moving pages out of the movable zone"),
    Option("CMA", "recorded: with CMA isolated pages are not pinned"),
    Option("BLK_DEV_INITRD", "booting from an initramfs"),
    Option("console", "the kernel console"),
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
    Option("iommu", "the IOMMU that vfio needs"),
    Option("IO_URING", "io_uring registered buffers"),
    Option("UDMABUF", "udmabuf pins"),
    Option("IOMMUFD", "iommufd pins"),
    Option("VFIO_DEVICE_CDEV", "the devices that iommufd takes from vfio"),
    Option("RDMA_SIW", "RDMA over TCP in software"),
    Option("XDP_SOCKETS", "AF_XDP packet buffers"),
    Option("VETH", "network devices that AF_XDP sends over"),
    Option("VHOST_VDPA", "vhost-vdpa pins"),
    Option("VDPA_SIM_NET", "a vDPA device without hardware"),
    Option("VIDEO_VIVID", "a video device without hardware"),
    Option("VIRTIO_MEM", "removal through virtio-mem"),
    Option("DEV_DAX", "removal through dax/kmem"),
    Option("DEV_DAX_HMEM", "soft-reserved memory as a DAX device"),
    Option("DEV_DAX_KMEM", "removal through dax/kmem"),
    Option("CXL_ACPI", "the windows of CXL memory"),
    Option("CXL_PCI", "CXL memory devices"),
    Option("CXL_MEM", "CXL memory devices"),
    Option("CXL_REGION", "regions of CXL memory"),
    Option("ARCH_HAS_CPU_CACHE_INVALIDATE_MEMREGION", "regions of CXL memory"),
    Option("DEV_DAX_CXL", "regions of CXL memory as DAX devices"),
    Option("ACPI_TABLE_UPGRADE", "boot memory that the firmware calls hotpluggable"),
    Option("HUGETLBFS", "hugetlb pins"),
    Option("TRANSPARENT_HUGEPAGE", "pins of large folios"),
    Option("MEMORY_NOTIFIER_ERROR_INJECT", "notifier failures on purpose"),
    Option("EXT4_FS", "pins of file mappings"),
    Option("BLK_DEV_LOOP", "a filesystem for file mappings"),
    Option("SWAP", "memory that is swapped out"),
    Option("ZRAM", "swap in compressed memory"),
    Option("KSM", "pages that are merged because they are alike"),
    Option("MEMORY_FAILURE", "poisoned pages"),
    Option("USERFAULTFD", "write-protected memory"),
    Option("HAVE_ARCH_USERFAULTFD_WP", "write-protected memory, on arm64 from 6.10 on"),
    Option("SECRETMEM", "secret memory"),
    Option("NUMA_MIGRATION", "pages that mbind() moves, from 7.2 on"),
    Option("CROSS_MEMORY_ATTACH", "reading another process's memory"),
    Option("MEMCG", "memory cgroups"),
    Option("TEST_HMM", "a device without hardware that takes memory for itself"),
    Option("GUP_TEST", "the kernel's own tests of pins"),
    Option("MODULES", "the farm's own modules"),
    Option("KPROBES", "the module that breaks a kernel"),
    Option("LIVEPATCH", "the module that breaks a kernel"),
    Option("EVENT_TRACING", "trace events of a removal"),
)

CAPABILITIES = (
    Capability("boot", ("BLK_DEV_INITRD", "console", "VIRTIO_PCI", "VIRTIO_CONSOLE")),
    Capability("sysfs offline", ("MEMORY_HOTPLUG", "MEMORY_HOTREMOVE", "NUMA", "MIGRATION")),
    Capability("DIMM plug and eject", ("ACPI_HOTPLUG_MEMORY", "MEMORY_HOTREMOVE", "NUMA")),
    Capability(
        "DIMMs by a module of the farm",
        ("MODULES", "KPROBES", "ACPI", "MEMORY_HOTREMOVE", "NUMA"),
    ),
    Capability("virtio-mem", ("VIRTIO_MEM", "MEMORY_HOTREMOVE"), ("virtio_mem",)),
    Capability(
        "dax/kmem",
        ("DEV_DAX", "DEV_DAX_HMEM", "DEV_DAX_KMEM", "MEMORY_HOTREMOVE"),
        ("device_dax", "dax_hmem", "kmem"),
    ),
    Capability(
        "CXL memory",
        (
            *("CXL_ACPI", "CXL_PCI", "CXL_MEM", "CXL_REGION"),
            "ARCH_HAS_CPU_CACHE_INVALIDATE_MEMREGION",
            *("DEV_DAX", "DEV_DAX_CXL", "DEV_DAX_KMEM", "MEMORY_HOTREMOVE"),
        ),
        ("cxl_acpi", "cxl_pci", "cxl_mem", "cxl_port", "device_dax", "dax_cxl", "kmem"),
    ),
    Capability("movable boot memory", ("ACPI_TABLE_UPGRADE",)),
    Capability(
        "rdma pins",
        ("INFINIBAND", "INFINIBAND_USER_ACCESS", "RDMA_RXE", "DUMMY"),
        ("rdma_rxe", "ib_uverbs", "dummy"),
    ),
    Capability("pins by a device of the host", ("INFINIBAND", "INFINIBAND_USER_ACCESS")),
    Capability(
        "vfio pins",
        ("VFIO", "VFIO_PCI", "VFIO_IOMMU_TYPE1", "iommu"),
        ("vfio_pci", "vfio_iommu_type1", "vfio"),
    ),
    Capability("io_uring pins", ("IO_URING",)),
    Capability("udmabuf pins", ("UDMABUF",)),
    Capability("iommufd pins", ("IOMMUFD", "VFIO_DEVICE_CDEV", "VFIO_PCI", "iommu")),
    Capability("iommufd access", ("MODULES", "IOMMUFD", "VFIO_DEVICE_CDEV")),
    Capability(
        "siw pins",
        ("INFINIBAND", "INFINIBAND_USER_ACCESS", "RDMA_SIW", "DUMMY"),
        ("siw", "ib_uverbs", "dummy"),
    ),
    Capability("AF_XDP pins", ("XDP_SOCKETS", "VETH"), ("veth",)),
    Capability("vhost-vdpa pins", ("VHOST_VDPA", "VDPA_SIM_NET"), ("vhost_vdpa", "vdpa_sim_net")),
    Capability("V4L2 pins", ("VIDEO_VIVID",), ("vivid",)),
    Capability("hugetlb pins", ("HUGETLBFS",)),
    Capability("pins of huge pages", ("TRANSPARENT_HUGEPAGE",)),
    Capability("ext4 files", ("EXT4_FS", "BLK_DEV_LOOP"), ("loop", "ext4")),
    Capability("swap on a loop device", ("SWAP", "BLK_DEV_LOOP"), ("loop",)),
    Capability("swap on zram", ("SWAP", "ZRAM"), ("zram",)),
    Capability("merged pages", ("KSM",)),
    Capability("poisoned pages", ("MEMORY_FAILURE",)),
    Capability("write-protected memory", ("USERFAULTFD", "HAVE_ARCH_USERFAULTFD_WP")),
    Capability("secret memory", ("SECRETMEM",)),
    Capability("pages moved by mbind()", ("NUMA_MIGRATION",)),
    Capability("process_vm_readv()", ("CROSS_MEMORY_ATTACH",)),
    Capability("memory cgroups", ("MEMCG",)),
    Capability("memory of devices", ("TEST_HMM",), ("test_hmm",)),
    Capability("contiguous memory", ("CMA", "HUGETLBFS")),
    Capability("gup_test", ("GUP_TEST",)),
    Capability("modules of the farm", ("MODULES",)),
    Capability("mdev pins", ("MODULES", "VFIO")),
    Capability("ib_umem pins", ("MODULES", "INFINIBAND_USER_ACCESS")),
    Capability("faults by a module", ("MODULES", "KPROBES")),
    Capability("trace events", ("EVENT_TRACING",)),
    Capability(
        "notifier failures", ("MEMORY_NOTIFIER_ERROR_INJECT",), ("memory_notifier_error_inject",)
    ),
)


def facts(kernel: Kernel) -> tuple[Fact, ...]:
    """Every option the farm cares about, as this kernel has it."""
    named = (replace(option, name=kernel.arch.option(option.name)) for option in OPTIONS)
    return tuple(Fact(option, kernel.config.get(option.name)) for option in named)


def find(name: str) -> Capability:
    """The capability of a name."""
    return next(capability for capability in CAPABILITIES if capability.name == name)


def missing(kernel: Kernel, capability: Capability) -> tuple[str, ...]:
    """The options a capability lacks in this kernel; empty when it is there.

    A kernel without a configuration lacks nothing that is known: a probe in the guest decides.
    """
    return switched_off(kernel.config, capability.requires)


def switched_off(config: Mapping[str, str], options: Iterable[str]) -> tuple[str, ...]:
    """Those of `options` that a configuration has off; none where it is not known (empty)."""
    if not config:
        return ()
    arch = of_config(config)
    return tuple(name for name in map(arch.option, options) if not _enabled(config, name))


def require(config: Mapping[str, str], capability: Capability) -> None:
    """Make sure that a configuration, where it is known, has all that a capability requires.

    Raises:
        CapabilityAbsent: it has an option off, which the text quotes.

    Example:
        >>> require({"NUMA": "y"}, find("udmabuf pins"))
        Traceback (most recent call last):
        hotremove.errors.CapabilityAbsent: no udmabuf pins: CONFIG_UDMABUF is not set
    """
    off = switched_off(config, capability.requires)
    if off:
        quoted = ", ".join(f"CONFIG_{name} is not set" for name in off)
        raise CapabilityAbsent(f"no {capability.name}: {quoted.replace('|', ' or CONFIG_')}")


def refusal(
    config: Mapping[str, str], capability: Capability, complaint: str
) -> CapabilityAbsent | Blocked:
    """The error for a set-up that failed: proof that the kernel lacks it, or none.

    Example:
        >>> type(refusal({"UDMABUF": "y"}, find("udmabuf pins"), "no /dev/udmabuf")).__name__
        'Blocked'
    """
    try:
        require(config, capability)
    except CapabilityAbsent as proof:
        return proof
    named = map(of_config(config).option, capability.requires)
    options = ", ".join(f"CONFIG_{name}" for name in named)
    if config:
        advice = f"the kernel has {options}: look into its log"
    else:
        advice = f"whether it has {options} is not known: give its configuration beside its image"
    return Blocked(f"{capability.name}: {complaint}; {advice}")


def compiler(kernel: Kernel) -> str:
    """The compiler that built it, as its configuration says (CONFIG_CC_VERSION_TEXT)."""
    return kernel.config.get("CC_VERSION_TEXT", "unknown")


def _enabled(config: Mapping[str, str], alternatives: str) -> bool:
    return any(config.get(name) in ("y", "m") for name in alternatives.split("|"))
