# SPDX-License-Identifier: Apache-2.0
"""The machine of an architecture's guests, as QEMU, libvirt and the kernel call its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Attributes = Mapping[str, Mapping[str, str]]
"""Elements of libvirt's XML by their names, each with its attributes."""


@dataclass(frozen=True)
class Iommu:
    """The virtual IOMMU.

    Attributes:
        model: as libvirt has it.
        driver: attributes of libvirt's element `driver`; none for no such element.
        features: what else the machine has to have for it.
        cmdline: the kernel parameter that switches it on, where it is off by default.
    """

    model: str
    driver: Mapping[str, str]
    features: Attributes
    cmdline: str = ""


@dataclass(frozen=True)
class Firmware:
    """A firmware that comes in a package of Debian's.

    Attributes:
        package: the package, which installs on any machine.
        since: the oldest version that will do.
        suite: the oldest suite that has it.
        file: the file in it, from the root.
    """

    package: str
    since: str
    suite: str
    file: str


@dataclass(frozen=True)
class Counting:
    """What a guest whose clock counts instructions has beside QEMU's icount.

    Attributes:
        words: QEMU's, for a start that waits for nothing.
        cmdline: kernel parameters against calibration and trying of timers: they wait in loops,
            which are slow when each look at a clock ends a block of translated code.
    """

    words: tuple[str, ...]
    cmdline: str


@dataclass(frozen=True)
class Machine:
    """A machine.

    Attributes:
        emulator: QEMU's program.
        package: the Debian package that has it.
        type: QEMU's name of the machine.
        options: the same with what QEMU has to be told of it, where libvirt does not.
        processor: the model under TCG.
        processor_features: what the model leaves out and scenarios need.
        features: of libvirt's element `features`, with ACPI.
        firmware: the firmware that it starts with, where QEMU's own will not do.
        console: the kernel's name of the first serial line.
        terminal: of the one that a person can attach to.
        terminal_target: attributes of libvirt's element `target` of that one.
        iommu: the virtual IOMMU.
        cmdline: kernel parameters for guests on it.
        counting: what a clock that counts instructions needs.
        memory_start: where its memory begins, bytes.
        has_apics: whether ACPI tells its processors by local APICs; else by the GIC.
        cxl_hides: features of the processor with which kernels use no CXL memory; None where no
            guest can have any.
        soft_reserve: the kernel parameter that has memory soft-reserved, with fields `mib` and
            `start`, in MiB; empty where the kernel has none.
    """

    emulator: str
    package: str
    type: str
    options: str
    processor: str
    processor_features: tuple[str, ...]
    features: Attributes
    firmware: Firmware | None
    console: str
    terminal: str
    terminal_target: Mapping[str, str]
    iommu: Iommu
    cmdline: str
    counting: Counting
    memory_start: int
    has_apics: bool
    cxl_hides: tuple[str, ...] | None
    soft_reserve: str
