# SPDX-License-Identifier: Apache-2.0
"""What compiles the guest's programs, for this machine's processor or for another."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field

from hotremove import processes
from hotremove.architecture.architecture import Architecture
from hotremove.architecture.known import is_native
from hotremove.bootimage.foreign import Foreign, find_foreign
from hotremove.cache import Cache
from hotremove.errors import HostProblem
from hotremove.hosttools import packages

# Static archives the programs are linked with, and the Debian packages that hold them.
_LIBRARIES = {
    "libibverbs.a": "libibverbs-dev",
    "librxe-rdmav34.a": "libibverbs-dev",
    "libsiw-rdmav34.a": "libibverbs-dev",
    "libnl-3.a": "libnl-3-dev",
    "libnl-route-3.a": "libnl-route-3-dev",
}


@dataclass(frozen=True)
class Compiler:
    """A compiler with the libraries that it links.

    Attributes:
        cc: the compiler.
        strip: what takes symbols out of its programs.
        environment: what make finds in its environment: what a Makefile adds to stays so.
        key: changes with all of it.
    """

    cc: str
    strip: str
    key: str
    environment: Mapping[str, str] = field(default_factory=dict)


def find_compiler(arch: Architecture, cache: Cache) -> Compiler:
    """The compiler for an architecture.

    Raises:
        HostProblem: it or a library is missing; names the Debian packages.
    """
    require_packages(arch)
    if is_native(arch):
        return Compiler("gcc", "strip", _version("gcc"))
    cc, foreign = arch.tool("gcc"), find_foreign(arch, cache)
    key = f"{_version(cc)} {foreign.key}"
    return Compiler(cc, arch.tool("strip"), key, _environment(foreign))


def require_packages(arch: Architecture) -> None:
    """Make sure that the compiler for an architecture, and what it links, is installed.

    Raises:
        HostProblem: names the Debian packages that are missing.
    """
    tools, cc, archives = _needs(arch)
    missing = {package for tool, package in tools.items() if not shutil.which(tool)}
    if tools[cc] not in missing:
        missing |= {package for file, package in archives.items() if not _has_archive(cc, file)}
    if missing:
        how = packages.advice(*sorted(missing))
        raise HostProblem(f"the guest's programs cannot be compiled: {how}")


def _needs(arch: Architecture) -> tuple[dict[str, str], str, dict[str, str]]:
    """Programs and their packages, the compiler among them, and the archives and theirs."""
    if is_native(arch):
        tools = {"gcc": "gcc", "make": "make", "strip": "binutils"}
        return tools, "gcc", {"libc.a": "libc6-dev", **_LIBRARIES}
    cc = arch.tool("gcc")
    tools = {
        cc: arch.compiler_package,
        "make": "make",
        arch.tool("strip"): f"binutils-{arch.package_triplet}",
    }
    return tools, cc, {"libc.a": f"libc6-dev-{arch.debian}-cross"}


def _environment(foreign: Foreign) -> dict[str, str]:
    headers = (foreign.headers, foreign.headers / "libnl3")
    return {
        "CPPFLAGS": " ".join(f"-isystem {folder}" for folder in headers),
        "LDFLAGS": f"-L{foreign.libraries}",
    }


def _version(cc: str) -> str:
    return processes.run([cc, "-v"], "asking the compiler for its version").stderr


def _has_archive(cc: str, file: str) -> bool:
    """The compiler prints a full path for an archive it would link, the bare name otherwise."""
    return "/" in processes.run([cc, f"-print-file-name={file}"], f"looking for {file}").stdout
