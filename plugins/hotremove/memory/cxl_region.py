# SPDX-License-Identifier: Apache-2.0
"""A region of CXL memory: what is written to sysfs to make one of a single device, and to end it.

As Documentation/ABI/testing/sysfs-bus-cxl has it, without the program cxl(1).
"""

from __future__ import annotations

from dataclasses import dataclass

BUS = "/sys/bus/cxl/devices"
FIND = f"cd {BUS} && ls -d decoder*/create_ram_region decoder*/dpa_size mem*"
"""The command that lists what `parse_parts` reads."""
_DRIVER = "/sys/bus/cxl/drivers/cxl_region"
_GRANULARITY = 256  # bytes; the smallest, and of no consequence with one device
Write = tuple[str, str]
"""A file of sysfs, and what is written to it."""


@dataclass(frozen=True)
class Parts:
    """What a region is made of.

    Attributes:
        window: the decoder of the window of physical addresses.
        endpoint: the device's first decoder.
        device: the memory device.
    """

    window: str
    endpoint: str
    device: str


def parse_parts(listed: str) -> Parts | None:
    """What there is for a region, from what `FIND` wrote; None while something is missing.

    Example:
        >>> parse_parts("decoder0.0/create_ram_region decoder2.0/dpa_size mem0")
        Parts(window='decoder0.0', endpoint='decoder2.0', device='mem0')
    """
    found: dict[str, str] = {}
    for line in listed.split():
        name, _, attribute = line.partition("/")
        found.setdefault(attribute, name)
    try:
        return Parts(found["create_ram_region"], found["dpa_size"], found[""])
    except KeyError:
        return None


@dataclass(frozen=True)
class Region:
    """A region by its name, and its parts."""

    name: str
    parts: Parts

    def creation(self, size: int) -> tuple[Write, ...]:
        """What makes it, of `size` bytes, and has its driver make a DAX device of it."""
        window, endpoint = f"{BUS}/{self.parts.window}", f"{BUS}/{self.parts.endpoint}"
        region = f"{BUS}/{self.name}"
        return (
            (f"{window}/create_ram_region", self.name),
            (f"{region}/interleave_granularity", str(_GRANULARITY)),
            (f"{region}/interleave_ways", "1"),
            (f"{endpoint}/mode", "ram"),
            (f"{endpoint}/dpa_size", str(size)),
            (f"{region}/size", str(size)),
            (f"{region}/target0", self.parts.endpoint),
            (f"{region}/commit", "1"),
            (f"{_DRIVER}/bind", self.name),
        )

    def destruction(self) -> tuple[Write, ...]:
        """What ends it, once the kernel uses nothing of it any more.

        Nothing in it asks whether somebody does (drivers/cxl/core/region.c, commit_store()).
        """
        return (
            (f"{_DRIVER}/unbind", self.name),
            (f"{BUS}/{self.name}/commit", "0"),
            (f"{BUS}/{self.parts.window}/delete_region", self.name),
            (f"{BUS}/{self.parts.endpoint}/dpa_size", "0"),
        )


def next_region(window: str) -> str:
    """The file that tells the name which the next region of a window has to be given."""
    return f"{BUS}/{window}/create_ram_region"
