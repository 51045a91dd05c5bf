# SPDX-License-Identifier: Apache-2.0
"""A kernel compiled from an archive of its source in a build root: configured, built, laid out.

The tree is thrown away; what is kept is the image, the configuration, the modules and what modules
are compiled against. ccache remembers the objects, so that a build that was interrupted, or one
with another fragment or patch, takes a part of the time.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from hotremove import processes
from hotremove.architecture.architecture import Architecture
from hotremove.architecture.known import DEFAULT, is_native, make_words
from hotremove.cache import no_space
from hotremove.errors import HostProblem, UsageProblem
from hotremove.kernels import config, kconfig, patches
from hotremove.kernels.distro.buildroot import LIMIT, Buildroot, Command
from hotremove.kernels.kconfig import KconfigOption
from hotremove.kernels.patches import Patch
from hotremove.processes import Child
from hotremove.progress import counting, say, waiting

PACKAGES = (
    "gcc",
    "libc6-dev",
    "bc",
    "bison",
    "flex",
    "libelf-dev",
    "libssl-dev",
    "ccache",
    "cpio",
    "kmod",
    "patch",
    "python3-minimal",
    "rsync",
    "xz-utils",
    "zstd",
)
"""What a kernel's build needs, in a build root of its suite, beside a cross compiler."""

LAYOUT = "2"
"""Of what is kept of a build; kernels that were kept otherwise are built again."""

CCACHE_SIZE = "2G"

# Where the build root sees the source archive, the tree, the compiler's cache and the result. The
# tree's place is part of what ccache remembers.
_SOURCE, _TREE, _CCACHE, _RESULT = "/source", "/kernel", "/ccache", "/result"
_PATCH = ".hotremove.patch"
# A third of the files, of no use to any build for a machine with ACPI.
_NOT_NEEDED = ("*/Documentation/*/*", "*/boot/dts/*", "*/tools/testing/*")
_UNPACK = (
    *("tar", "--extract", "--no-same-owner", "--strip-components=1"),
    *(f"--exclude={pattern}" for pattern in _NOT_NEEDED),
)
_COMPILED = re.compile(r"^\s+(?:CC|AS|LD|AR|HOSTCC)(?: \[M\])?\s+(\S+)")
_ERROR = re.compile(r"(?:error: |ERROR: |undefined reference|No space left)")
# What make says of a command that failed; the command itself, kconfig's for one, has said why.
_END = re.compile(r"\*\*\* ")
_FULL = re.compile(r"No space left on device|Disk quota exceeded")
_RELEASE = "include/config/kernel.release"
# What a module's build reads of a tree, as a package of headers has it.
_HEADER_FOLDERS = ("include", "scripts", "tools/objtool")
_HEADER_FILES = ("Makefile*", "Kconfig*", "Kbuild*", "*.lds", "*.sh", "*.pl")
# scripts/module-common.c becomes a part of every module (6.13, and stable kernels: 6.12.118).
_HEADER_EXTRA = (".config", "Module.symvers", "scripts/module-common.c")
_LEFTOVERS = (".o", ".cmd", ".c", ".a", ".d")

Stream = Callable[[], AbstractContextManager[Child]]
"""Starts a program that prints an archive."""


@dataclass(frozen=True)
class BuildSpec:
    """What to build.

    Attributes:
        source: a tar archive with the tree in one folder.
        base: the .config to start from, or None for one that has nothing.
        options: what is put on top.
        suffix: what the release has after the version, `-hotremove-kasan`.
        what: how messages call it.
        patches: what is changed in the source, in order.
        arch: the processor it is for.
    """

    source: Path | Stream
    base: str | None
    options: tuple[KconfigOption, ...]
    suffix: str
    what: str
    patches: tuple[Patch, ...] = ()
    arch: Architecture = DEFAULT


def packages(arch: Architecture) -> tuple[str, ...]:
    """What the build of a kernel for an architecture needs, in a build root."""
    return PACKAGES if is_native(arch) else (*PACKAGES, arch.compiler_package)


def compiler(root: Buildroot, arch: Architecture) -> str:
    """What compiles kernels for an architecture in a build root, with versions."""
    return root.compiler("" if is_native(arch) else f"-{arch.package_triplet}")


def build(build_spec: BuildSpec, root: Buildroot, ccache: Path, target: Path) -> None:
    """Build into `target`: vmlinuz-V, config-V, lib/modules/V and headers/V.

    Raises:
        UsageProblem: a patch does not apply, the kernel does not take an option, or does not
            compile with them.
        HostProblem: no disk space.
    """
    tree = target / "tree"
    tree.mkdir()
    folders = {_TREE: tree, _CCACHE: ccache, _RESULT: target}
    if isinstance(build_spec.source, Path):
        folders[_SOURCE] = build_spec.source.parent
    work = _Work(build_spec, root, folders, tree)
    work.unpack()
    work.patch()
    work.configure()
    work.compile()
    work.lay_out(target)
    shutil.rmtree(tree)


@dataclass(frozen=True)
class _Work:
    """A build under way in `tree`."""

    build_spec: BuildSpec
    root: Buildroot
    folders: dict[str, Path]
    tree: Path

    @property
    def arch(self) -> Architecture:
        return self.build_spec.arch

    def unpack(self) -> None:
        source = self.build_spec.source
        with waiting(f"unpacking the source of {self.build_spec.what}"):
            if isinstance(source, Path):
                self._run([*_UNPACK, "-C", _TREE, "-f", f"{_SOURCE}/{source.name}"])
            else:
                self._take_in(source)

    def _take_in(self, source: Stream) -> None:
        how: dict[str, Any] = {"stderr": subprocess.PIPE, "text": True, "errors": "replace"}
        words = [*_UNPACK, "-C", str(self.tree)]
        with source() as sender:
            how["stdin"] = sender.process.stdout
            with processes.started(words, "unpacking a source", LIMIT, **how) as unpacking:
                _, said = unpacking.process.communicate()
        if unpacking.process.returncode or sender.process.returncode:
            raise failure(self.build_spec.what, said.splitlines())

    def patch(self) -> None:
        """Apply the patches, each in whole."""
        file = self.tree / _PATCH
        for patch in self.build_spec.patches:
            file.write_bytes(patch.text)
            words = [*patches.COMMAND, f"--input={_PATCH}"]
            done = self.root.run(self._command(words))
            if done.returncode:
                why = patches.find_reject(done.stdout + done.stderr)
                raise UsageProblem(f"{patch.name} does not apply to {self.build_spec.what}: {why}")
        file.unlink(missing_ok=True)

    def configure(self) -> None:
        """Have the kernel's make complete the options, and see that none fell out."""
        wanted = (
            *self.build_spec.options,
            KconfigOption("LOCALVERSION", f'"{self.build_spec.suffix}"'),
        )
        if self.build_spec.base is None:
            (self.tree / "wanted").write_text(kconfig.render(wanted))
            self._run(self._make("-s", "KCONFIG_ALLCONFIG=wanted", "allnoconfig"))
        else:
            (self.tree / ".config").write_text(self.build_spec.base + kconfig.render(wanted))
            self._run(self._make("-s", "olddefconfig"))
        options = config.read(self.tree / ".config")
        if lost := kconfig.unmet(wanted, options):
            self._complain(lost, options)

    def _complain(self, lost: tuple[KconfigOption, ...], options: Mapping[str, str]) -> None:
        declared = kconfig.declared(self.tree)
        if needed := [option for option in lost if not option.optional]:
            told = kconfig.explain(needed, options, declared)
            raise UsageProblem(f"{self.build_spec.what} does not take {told}")
        told = kconfig.explain(lost, options, declared)
        say(f"{self.build_spec.what} is built without {told}")

    def compile(self) -> None:
        """Compile, and show how many files it is through with."""
        jobs = f"-j{os.cpu_count() or 1}"
        words = self._make(jobs, *_with_ccache(self.arch), self.arch.image, "modules")
        lines: list[str] = []
        with (
            counting(f"compiling {self.build_spec.what}", "files") as counter,
            self.root.start(self._command(words)) as child,
        ):
            for line in child.lines():
                lines.append(line.rstrip())
                if found := _COMPILED.match(line):
                    counter.count(found[1])
        if child.process.returncode:
            raise failure(self.build_spec.what, lines)

    def lay_out(self, target: Path) -> None:
        release = (self.tree / _RELEASE).read_text().strip()
        shutil.copyfile(self.tree / self.arch.image_file, target / f"vmlinuz-{release}")
        shutil.copyfile(self.tree / ".config", target / f"config-{release}")
        settings = [f"INSTALL_MOD_PATH={_RESULT}", "INSTALL_MOD_STRIP=1", "DEPMOD=true"]
        if config.has_modules(config.read(self.tree / ".config")):
            self._run(self._make("-s", *settings, "modules_install"))
        for link in (target / "lib/modules" / release / name for name in ("build", "source")):
            link.unlink(missing_ok=True)
        copy_headers(self.tree, self.arch, target / "headers" / release)

    def _make(self, *words: str) -> list[str]:
        return ["make", *make_words(self.arch), *words]

    def _run(self, words: list[str]) -> None:
        done = self.root.run(self._command(words))
        if done.returncode:
            raise failure(self.build_spec.what, (done.stderr + done.stdout).splitlines())

    def _command(self, words: list[str]) -> Command:
        in_tree = ["env", "-C", _TREE, *words]
        return Command(in_tree, self.folders, _SETTINGS)


# Equal sources and options give equal images.
_SETTINGS = {
    "CCACHE_DIR": _CCACHE,
    "CCACHE_MAXSIZE": CCACHE_SIZE,
    "KBUILD_BUILD_USER": "hotremove",
    "KBUILD_BUILD_HOST": "lab",
    "KBUILD_BUILD_TIMESTAMP": "1970-01-01",
    "KBUILD_BUILD_VERSION": "1",
}


def _with_ccache(arch: Architecture) -> tuple[str, str]:
    cc = "gcc" if is_native(arch) else arch.tool("gcc")
    return f"CC=ccache {cc}", "HOSTCC=ccache gcc"


def failure(what: str, lines: list[str]) -> HostProblem | UsageProblem:
    """The error for a build that failed, by what it printed."""
    if any(_FULL.search(line) for line in lines):
        return no_space(f"building {what}")
    told = [line.strip() for line in lines if line.strip()] or ["no reason given"]
    telling = [line for line in told if _ERROR.search(line)]
    before = [line for line, after in pairwise(told) if _END.search(after)]
    return UsageProblem(f"{what} does not build: {(telling or before or told[-1:])[0]}")


def copy_headers(tree: Path, arch: Architecture, target: Path) -> None:
    """Copy what a module's build reads of a tree that was built for an architecture."""
    for path in _header_files(tree, arch):
        copy = target / path.relative_to(tree)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy, follow_symlinks=False)


def _header_files(tree: Path, arch: Architecture) -> Iterator[Path]:
    """Files and links, each once; sources and objects of the host's programs are left out."""
    found: dict[Path, None] = {}
    for folder in (*_HEADER_FOLDERS, f"{arch.folder}/include"):
        inside = (tree / folder).rglob("*")
        found |= dict.fromkeys(path for path in inside if path.suffix not in _LEFTOVERS)
    for pattern in _HEADER_FILES:
        found |= dict.fromkeys((*tree.glob(pattern), *(tree / arch.folder).rglob(pattern)))
    extra = (*_HEADER_EXTRA, *(f"{arch.folder}/{name}" for name in arch.headers))
    found |= dict.fromkeys(tree / name for name in extra)
    yield from (path for path in found if path.is_symlink() or path.is_file())
