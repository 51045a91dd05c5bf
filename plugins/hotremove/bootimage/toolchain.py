# SPDX-License-Identifier: Apache-2.0
"""Where modules for a kernel are compiled: a build root of the kernel's own suite, or the machine.

Debian's headers name absolute paths and the compiler of their suite, and from 6.12 on need flags
that an older compiler does not know. A build root has both as the headers expect them.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hotremove import processes
from hotremove.architecture.known import is_native, make_words
from hotremove.bootimage.foreign_headers import find_foreign_headers
from hotremove.cache import Cache, digest
from hotremove.errors import Blocked
from hotremove.hosttools import tool
from hotremove.kernels import capabilities
from hotremove.kernels.distro import buildroot, suites
from hotremove.kernels.distro.buildroot import Buildroot, Command
from hotremove.kernels.kernel import HeadersSource, Kernel

# Where a build root sees the sources of modules, and a tree that was built in it.
_MODULES = "/build"
TREE = "/kernel"


@dataclass(frozen=True)
class Toolchain:
    """A compiler and headers that fit one kernel.

    Attributes:
        headers: the kernel's build tree, as seen from inside `root`.
        root: a build root, or None for the machine itself.
        key: changes with the compiler and the headers.
        folders: what else the build root has to see.
        words: what the kernel's make is told beside what to do.
    """

    headers: Path
    root: Buildroot | None
    key: str
    folders: Mapping[str, Path] = field(default_factory=dict)
    words: tuple[str, ...] = ()

    def make(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the kernel's make on the module sources in `folder`, where the results appear."""
        make = ["make", "-C", str(self.headers), *self.words]
        if not self.root:
            return _run([*make, *_place(folder), *arguments])
        words = [*make, *_place(Path(_MODULES)), *arguments]
        return self.root.run(Command(words, {_MODULES: folder, **self.folders}))


def find_toolchain(kernel: Kernel, cache: Cache) -> Toolchain:
    """What compiles modules for `kernel`; makes its build root if the cache has none.

    Raises:
        Blocked: no headers are known for this kernel, or they cannot be installed.
        HostProblem: a tool is missing, or the cache cannot be written.
    """
    headers = kernel.headers
    if headers and headers.directory:
        return _of_tree(headers, headers.directory, kernel, cache)
    if not headers or not headers.suite or not headers.packages:
        raise Blocked(unknown(kernel))
    if not is_native(kernel.arch):
        return _of_foreign(headers, headers.suite, kernel, cache)
    root = buildroot.get(headers.suite, headers.packages, kernel.release, cache, kernel.version)
    return Toolchain(Path("/lib/modules", kernel.release, "build"), root, root.root.name)


def find_obstacle(kernel: Kernel, cache: Cache) -> str | None:
    """Why modules for `kernel` cannot be built, as is known at once; None if nothing is.

    Package lists tell whether there are headers, and trying it, whether build roots can be entered.
    A kernel that was built without modules wants none.
    """
    headers = kernel.headers
    if capabilities.switched_off(kernel.config, ("MODULES",)):
        return None
    if not headers or not (headers.directory or (headers.suite and headers.packages)):
        return unknown(kernel)
    if not headers.suite:
        return None
    obstacle = buildroot.find_obstacle()
    if obstacle or headers.directory:
        return obstacle
    if buildroot.find(headers.suite, headers.packages, cache, kernel.version):
        return None
    gone = suites.packages_gone(headers.suite, headers.packages, cache, kernel.arch)
    return f"{', '.join(gone)} is not in {headers.suite} any more" if gone else None


def _of_foreign(headers: HeadersSource, suite: str, kernel: Kernel, cache: Cache) -> Toolchain:
    """For a processor that this machine does not have."""
    found = find_foreign_headers(kernel, headers, cache)
    root = buildroot.get(suite, found.needs, kernel.release, cache, kernel.version)
    key = digest(root.root.name, found.root.name)
    return Toolchain(found.build, root, key, found.folders, kernel.arch.make_words)


def unknown(kernel: Kernel) -> str:
    """That nobody knows of headers for a kernel, and how it can be told."""
    return (
        f"no headers are known for kernel {kernel.release}: "
        f"its build tree is looked for at lib/modules/{kernel.release}/build"
    )


def _of_tree(headers: HeadersSource, tree: Path, kernel: Kernel, cache: Cache) -> Toolchain:
    """For a tree that was built on this machine, or in a build root."""
    if not (tree / "Makefile").is_file():
        raise Blocked(f"{tree} is not a kernel's build tree: it has no Makefile")
    config = tree / "include/generated/autoconf.h"
    parts = (config,) if config.is_file() else ()
    words = make_words(kernel.arch)
    if headers.suite:
        root = buildroot.get(headers.suite, headers.packages, kernel.release, cache)
        key = digest(root.root.name, str(tree), *parts)
        return Toolchain(Path(TREE), root, key, {TREE: tree}, words)
    tool("make", "make")
    return Toolchain(tree, None, digest(str(tree), *parts), words=words)


def _place(folder: Path) -> list[str]:
    """Build in `folder`, but have warnings of the running modules name files below kmods/."""
    return [f"M={folder}", f"KCFLAGS=-fmacro-prefix-map={folder}=kmods"]


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    return processes.run(command, "building kernel modules", buildroot.LIMIT, env=clean)
