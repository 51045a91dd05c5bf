# SPDX-License-Identifier: Apache-2.0
"""Where modules for a kernel are compiled: a build root of the kernel's own suite, or the machine.

Debian's headers name absolute paths and the compiler of their suite, and from 6.12 on need flags
that an older compiler does not know. A build root (mmdebstrap, with or without root's rights) has
both as the headers expect them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hotremove.cache import Cache, digest
from hotremove.errors import CapabilityAbsent, HostProblem
from hotremove.kernels.debian import AptEnvironment, apt_environment
from hotremove.kernels.kernel import Kernel
from hotremove.progress import waiting

# Documentation and translations are a third of the packages' size.
_LEFT_OUT = ("doc", "man", "locale", "info", "lintian")
# trixie's gcc-14-x86-64-linux-gnu, which backported headers ask for, calls plain `as`.
_TOOLS = ("make", "binutils")
_UNLOCATED = re.compile(r"E: Unable to locate package (\S+)")
# Shows the machine's /dev and /proc (objtool reads its limits) in the root, in a mount namespace
# that ends with the command.
_ENTER = 'mount --rbind /dev "$0/dev" && mount --rbind /proc "$0/proc" && exec chroot "$0" "$@"'


@dataclass(frozen=True)
class Toolchain:
    """A compiler and headers that fit one kernel.

    Attributes:
        headers: the kernel's build tree, as seen from inside `root`.
        root: a build root, or None for the machine itself.
        key: changes with the compiler and the headers.
    """

    headers: Path
    root: Path | None
    key: str

    def make(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the kernel's make on the module sources in `folder`, where the results appear."""
        if not self.root:
            return _run(["make", "-C", str(self.headers), *_place(folder), *arguments])
        (self.root / "build").mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.root / "build") as inside:
            shutil.copytree(folder, inside, dirs_exist_ok=True)
            seen = Path("/build") / Path(inside).name
            command = [*_enter(self.root), "make", "-C", str(self.headers)]
            done = _run([*command, *_place(seen), *arguments])
            shutil.copytree(inside, folder, dirs_exist_ok=True, symlinks=True)
        return done


def find_toolchain(kernel: Kernel, cache: Cache) -> Toolchain:
    """What compiles modules for `kernel`; makes its build root if the cache has none.

    Raises:
        CapabilityAbsent: no headers are known for this kernel, or they cannot be installed.
        HostProblem: a tool is missing, or the cache cannot be written.
    """
    headers = kernel.headers
    if headers and headers.directory:
        return _native(headers.directory)
    if not headers or not headers.suite or not headers.packages:
        raise CapabilityAbsent(
            f"no headers are known for kernel {kernel.release}: its modules cannot be built"
        )
    environment = apt_environment(headers.suite, cache)
    key = digest(environment.suite, *headers.packages, kernel.version, *_TOOLS, *_LEFT_OUT)

    def build(target: Path) -> None:
        with waiting(f"making a build root of {headers.suite} for {kernel.release} (a minute)"):
            _bootstrap(environment, headers.packages, target)

    root = cache.get("buildroots", key, build)
    return Toolchain(Path("/lib/modules", kernel.release, "build"), root, key)


def _place(folder: Path) -> list[str]:
    """Build in `folder`, but have warnings of the running modules name files below kmods/."""
    return [f"M={folder}", f"KCFLAGS=-fmacro-prefix-map={folder}=kmods"]


def _native(directory: Path) -> Toolchain:
    if not (directory / "Makefile").is_file():
        raise CapabilityAbsent(f"{directory} is not a kernel's build tree")
    if not shutil.which("make"):
        raise HostProblem("make is missing: install the package make")
    config = directory / "include/generated/autoconf.h"
    parts = (config,) if config.is_file() else ()
    return Toolchain(directory, None, digest(str(directory), *parts))


def _bootstrap(environment: AptEnvironment, packages: tuple[str, ...], target: Path) -> None:
    """Have mmdebstrap write an archive and unpack it here: that also works without root."""
    if not shutil.which("mmdebstrap"):
        raise HostProblem("build roots need mmdebstrap: install the package mmdebstrap")
    settings = dict(os.environ)
    if os.geteuid() == 0:
        settings["TMPDIR"] = str(target)
    with tempfile.TemporaryFile("w+") as log, tempfile.TemporaryFile("w+") as sources:
        sources.write("\n".join(environment.sources) + "\n")
        sources.seek(0)
        with subprocess.Popen(
            _mmdebstrap(environment, packages),
            stdin=sources,
            stdout=subprocess.PIPE,
            stderr=log,
            env=settings,
        ) as bootstrap:
            unpacked = subprocess.run(
                ["tar", "-x", "-C", target, "--exclude=./dev/*", "--no-same-owner"],
                stdin=bootstrap.stdout,
                capture_output=True,
                text=True,
            )
        log.seek(0)
        if bootstrap.returncode:
            raise _refusal(environment.suite, log.read())
    if unpacked.returncode:
        raise HostProblem(f"the build root cannot be unpacked: {unpacked.stderr.strip()[:200]}")


def _mmdebstrap(environment: AptEnvironment, packages: tuple[str, ...]) -> list[str]:
    options = [f"--aptopt={option}" for option in environment.options]
    options += [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _LEFT_OUT]
    include = f"--include={','.join((*_TOOLS, *packages))}"
    first = ["mmdebstrap", "--variant=apt", "--format=tar", "--quiet", include]
    return [*first, *options, environment.suite, "-", "-"]


def _refusal(suite: str, log: str) -> CapabilityAbsent:
    if missing := _UNLOCATED.search(log):
        return CapabilityAbsent(f"the mirror no longer has {missing[1]} in {suite}")
    errors = [line for line in log.splitlines() if line.startswith("E:")]
    reason = (errors or log.splitlines() or ["no reason given"])[0].removeprefix("E: ")
    return CapabilityAbsent(f"no build root of {suite} can be made: {reason}")


def _enter(root: Path) -> list[str]:
    """A command prefix that runs what follows inside `root`."""
    identity = [] if os.geteuid() == 0 else ["--map-root-user"]
    return ["unshare", "--mount", *identity, "sh", "-c", _ENTER, str(root)]


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, capture_output=True, text=True, errors="replace", env=clean)
