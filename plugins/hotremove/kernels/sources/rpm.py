# SPDX-License-Identifier: Apache-2.0
"""Kernels in RPM packages: `rpm:PATH[,PATH...]` (kernel-core, kernel-modules, kernel-devel ...)."""

from __future__ import annotations

from pathlib import Path

from hotremove.architecture import known
from hotremove.cache import Cache, digest
from hotremove.errors import UsageProblem
from hotremove.hosttools import tool
from hotremove.kernels import files, store
from hotremove.kernels.formats import rpmheader, stream
from hotremove.kernels.kernel import Kernel
from hotremove.kernels.source import Source
from hotremove.progress import waiting

_ANY_ARCHITECTURE = "noarch"


def resolve(text: str, cache: Cache) -> Kernel:
    """The kernel in the packages of `rpm:PATH[,PATH...]`; `text` is what follows the colon.

    Raises:
        UsageProblem: a file is missing or damaged, or they are not one kernel for this farm.
        HostProblem: bsdtar or depmod is not installed, or the cache cannot be written.
    """
    rpms = files.listed(text, "rpm")

    def stage(root: Path) -> store.Provenance:
        with waiting(f"unpacking {files.names(rpms)}"):
            headers = [_unpack(path, root) for path in rpms]
        version = f"{headers[0].version}-{headers[0].release}"
        return store.Provenance(source=f"rpm:{text}", version=version)

    return store.get(cache, digest("rpm", *rpms), stage, f"rpm:{text}")


def _unpack(path: Path, root: Path) -> rpmheader.RpmHeader:
    """Through bsdtar, which reads any compression and writes the payload again as tar."""
    header = rpmheader.read(path)
    if header.arch != _ANY_ARCHITECTURE and known.by_rpm(header.arch) is None:
        raise UsageProblem(
            f"{path.name} is for {header.arch or 'no architecture'}; the farm boots"
            f" {known.supported_names()}"
        )
    command = [tool("bsdtar", "libarchive-tools"), "-cf", "-", "--format=pax", f"@{path}"]
    stream.unpack(command, root, path.name)
    return header


SOURCE = Source("rpm:PATH[,PATH...]", resolve)
