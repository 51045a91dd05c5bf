# SPDX-License-Identifier: Apache-2.0
"""The pin paths there are, by their names: the farm's own, and those of other packages.

Another package adds a class of its own, derived from `PinPath`, in its pyproject.toml:

    [project.entry-points."hotremove.pin_paths"]
    acme = "acme_hotremove:AcmeRdma"

Then `@pytest.mark.pins("acme")` runs a scenario with it, and
`--hotremove-without acme` leaves it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from hotremove.errors import UsageProblem
from hotremove.kernels.capabilities import CAPABILITIES, Capability
from hotremove.pins.edu import Edu
from hotremove.pins.ib_umem import IbUmem
from hotremove.pins.iommufd import Iommufd, IommufdAccess
from hotremove.pins.mdev import Mdev
from hotremove.pins.path import PinPath
from hotremove.pins.pin_hold import PinHold
from hotremove.pins.rdma import Rdma
from hotremove.pins.siw import Siw
from hotremove.pins.udmabuf import Udmabuf
from hotremove.pins.uring import Uring
from hotremove.pins.v4l2 import V4l2
from hotremove.pins.vdpa import VhostVdpa
from hotremove.pins.vfio import Vfio
from hotremove.pins.vmsplice import Vmsplice
from hotremove.pins.xdp import Xdp

GROUP = "hotremove.pin_paths"
"""The group of entry points by which other packages add theirs."""

OWN: Mapping[str, type[PinPath]] = {
    "rdma": Rdma,
    "vfio": Vfio,
    "uring": Uring,
    "vmsplice": Vmsplice,
    "pin_hold": PinHold,
    "ib_umem": IbUmem,
    "mdev": Mdev,
    "edu": Edu,
    "udmabuf": Udmabuf,
    "iommufd": Iommufd,
    "iommufd_access": IommufdAccess,
    "siw": Siw,
    "xdp": Xdp,
    "vhost_vdpa": VhostVdpa,
    "v4l2": V4l2,
}
"""The farm's own."""


@cache
def pin_paths() -> Mapping[str, type[PinPath]]:
    """Every pin path by its name, the farm's own first.

    Raises:
        UsageProblem: what another package registered is no pin path, or its name is taken.
    """
    found = dict(OWN)
    for entry in entry_points(group=GROUP):
        if entry.name in found:
            raise UsageProblem(f"{_of(entry)}: there is a pin path of this name already")
        found[entry.name] = _load(entry)
    return MappingProxyType(found)


def _load(entry: EntryPoint) -> type[PinPath]:
    try:
        path = entry.load()
    except (ImportError, AttributeError) as error:
        raise UsageProblem(f"{_of(entry)} cannot be imported: {error}") from error
    if not (isinstance(path, type) and issubclass(path, PinPath)):
        raise UsageProblem(f"{_of(entry)} is no class derived from PinPath")
    return path


def _of(entry: EntryPoint) -> str:
    package = f" of the package {entry.dist.name}" if entry.dist else ""
    return f"the pin path {entry.name} = {entry.value}{package}"


def waiving_words(name: str) -> tuple[str, ...]:
    """The words of `--hotremove-without` that leave a pin path out."""
    path = pin_paths()[name]
    return (*(path.without or (name,)), *(["modules"] if path.kmod else []))


def known_capabilities() -> tuple[Capability, ...]:
    """The farm's table, and what pin paths of other packages need of a kernel."""
    needed = (one for path in pin_paths().values() for one in path.capabilities)
    return tuple(dict.fromkeys((*CAPABILITIES, *needed)))


def drivers() -> tuple[str, ...]:
    """Modules of the kernel that paths of other packages need, for the boot image."""
    others = (path for name, path in pin_paths().items() if name not in OWN)
    return tuple(dict.fromkeys(m for path in others for c in path.capabilities for m in c.modules))
