# SPDX-License-Identifier: Apache-2.0
"""x86-64: QEMU's q35, started by its own firmware or, without any, through PVH."""

from __future__ import annotations

from hotremove.architecture.architecture import Architecture
from hotremove.architecture.machine import Counting, Iommu, Machine

# Interrupt remapping needs the split irqchip (ioapic).
_IOMMU = Iommu(
    model="intel",
    driver={"intremap": "on", "caching_mode": "on"},
    features={"ioapic": {"driver": "qemu"}},
    cmdline="intel_iommu=on",
)
# QEMU's small firmware waits for no disks: waiting is slow where each look at a clock ends a block
# of translated code.
_COUNTING = Counting(
    words=("-bios", "qboot.rom"),
    cmdline="noapictimer no_timer_check tsc=reliable tsc_early_khz=1000000 lpj=4000000",
)
# qemu64 leaves out 1 GiB pages, which the hugetlb scenarios need, and rdrand, without which the
# random pool of an early 5.10 guest takes seconds to fill.
# no_timer_check: an early check of the timer's interrupt measures the host: a vCPU that waits for a
#   busy one panics with "timer doesn't work through Interrupt-remapped IO-APIC". KVM's guests skip
#   it by themselves.
# cxl_hides: a region is refused where the kernel cannot flush all caches, as it takes it that it
#   cannot below a hypervisor (arch/x86/mm/pat/set_memory.c, cpu_cache_has_invalidate_memregion()).
# memmap=SIZE%START-OLD+NEW turns memory (1) into soft-reserved memory (asm/e820/types.h).
_MACHINE = Machine(
    emulator="qemu-system-x86_64",
    package="qemu-system-x86",
    type="q35",
    options="q35",
    processor="qemu64",
    processor_features=("pdpe1gb", "rdrand"),
    features={},
    firmware=None,
    console="ttyS0",
    terminal="ttyS1",
    terminal_target={"port": "1"},
    iommu=_IOMMU,
    cmdline="no_timer_check",
    counting=_COUNTING,
    memory_start=0,
    has_apics=True,
    cxl_hides=("hypervisor",),
    soft_reserve="memmap={mib}M%{start}M-1+0xefffffff",
)

X86_64 = Architecture(
    uname="x86_64",
    debian="amd64",
    rpm="x86_64",
    symbol="X86_64",
    make="x86_64",
    folder="arch/x86",
    image="bzImage",
    triplet="x86_64-linux-gnu",
    machine=_MACHINE,
    memory="dimm",
    options={"console": "SERIAL_8250_CONSOLE", "iommu": "INTEL_IOMMU"},
    headers=("kernel/macros.s",),
)
