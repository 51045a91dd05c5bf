# SPDX-License-Identifier: Apache-2.0
"""What a run ran on and with, as names and values. Nothing here tells which machine it was."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from hotremove.errors import HotremoveError
from hotremove.virt.accelerator import tell
from hotremove.virt.hypervisor import dotted

if TYPE_CHECKING:
    from hotremove.session.farm import Farm


def describe(farm: Farm) -> dict[str, str]:
    """The environment of a run, without starting anything for it."""
    told = {
        "pytest-hotremove": _version("pytest-hotremove"),
        "pytest": _version("pytest"),
        "Python": platform.python_version(),
        "host": f"{platform.system()} {platform.release()} {platform.machine()}, "
        f"{os.cpu_count()} CPUs",
        "topology": farm.options.topology,
        "removable memory": ", ".join(farm.options.memory) or "by default",
        "removal deadline": f"{farm.options.deadline:g} s",
    }
    if farm.accelerators:
        told["accelerator"] = tell(farm.accelerators)
    if farm.has_place:
        told["hypervisor"] = _hypervisor(farm)
    return told


def _hypervisor(farm: Farm) -> str:
    try:
        told = farm.guest_source.hypervisor.version()
    except HotremoveError as error:
        return str(error)
    return dotted(told)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unpacked"
