# SPDX-License-Identifier: Apache-2.0
"""arm64: QEMU's virt, whose ACPI tables come from UEFI firmware."""

from __future__ import annotations

from hotremove.architecture.architecture import Architecture
from hotremove.architecture.machine import Counting, Firmware, Iommu, Machine

# Older builds count the flash as memory that no node has, and the kernel then does without nodes.
# Not the build for secure boot, under which a kernel of one's own never starts.
_FIRMWARE = Firmware(
    package="qemu-efi-aarch64",
    since="2025.02",
    suite="trixie",
    file="usr/share/AAVMF/AAVMF_CODE.no-secboot.fd",
)
# One serial line is part of the machine; the other is on PCI, where the 8250 driver finds it.
# The cheapest processor under TCG of those that have all the kernel looks for: `max` is dearer.
# memory_start: hw/arm/virt.c, VIRT_MEM.
_MACHINE = Machine(
    emulator="qemu-system-aarch64",
    package="qemu-system-arm",
    type="virt",
    options="virt,gic-version=3",
    processor="cortex-a76",
    processor_features=(),
    features={"gic": {"version": "3"}},
    firmware=_FIRMWARE,
    console="ttyAMA0",
    terminal="ttyS0",
    terminal_target={"type": "pci-serial", "port": "1"},
    iommu=Iommu(model="smmuv3", driver={}, features={}),
    cmdline="",
    counting=Counting(words=(), cmdline="lpj=4000000"),
    memory_start=1 << 30,
    has_apics=False,
    cxl_hides=None,
    soft_reserve="",
)

# direct_map_bytes: an entry for each page, as protections change by page: arch_add_memory() in
# arch/arm64/mm/mmu.c, where can_set_direct_map() (rodata=full, the default).
# Debian's kernels have ACPI_HOTPLUG_MEMORY off, so that DIMMs come and go with nobody to see it.
ARM64 = Architecture(
    uname="aarch64",
    debian="arm64",
    rpm="aarch64",
    symbol="ARM64",
    make="arm64",
    folder="arch/arm64",
    image="Image",
    triplet="aarch64-linux-gnu",
    machine=_MACHINE,
    memory="virtio-mem",
    direct_map_bytes=8,
    keeps_boot_memory="prevent_bootmem_remove_notifier() in arch/arm64/mm/mmu.c, since 5.7",
    options={"console": "SERIAL_AMBA_PL011_CONSOLE", "iommu": "ARM_SMMU_V3"},
)
