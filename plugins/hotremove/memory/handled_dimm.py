# SPDX-License-Identifier: Apache-2.0
"""A DIMM on a kernel that has nobody for DIMMs, which a module of the farm makes up for."""

from __future__ import annotations

from collections.abc import Mapping

from hotremove.errors import NotApplicable
from hotremove.memory.dimm import Dimm

KMOD = "dimm_handler"
"""The module, a folder of kmods/."""


class HandledDimm(Dimm):
    """A hot-plugged DIMM that the module adds and removes; all else is the kernel's own way."""

    mechanism = "ACPI eject (handler: the farm's module)"
    capability = "DIMMs by a module of the farm"


def require_no_handler(config: Mapping[str, str]) -> None:
    """See that a kernel, by its configuration, has no handler of its own, which is to be tested.

    Raises:
        NotApplicable: it has.
    """
    if config.get("ACPI_HOTPLUG_MEMORY") == "y":
        raise NotApplicable("the kernel handles DIMMs itself (CONFIG_ACPI_HOTPLUG_MEMORY=y)")
