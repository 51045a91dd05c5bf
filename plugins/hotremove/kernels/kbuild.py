# SPDX-License-Identifier: Apache-2.0
"""A kernel compiled from an archive of its source in a build root: configured, built, laid out.

The tree is thrown away; what is kept is the image, the configuration, the modules and what modules
are compiled against. ccache remembers the objects, so that a build that was interrupted, or one
with another fragment or patch, takes a part of the time.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hotremove.architecture.architecture import Architecture
from hotremove.architecture.known import DEFAULT, is_native, make_words
from hotremove.cgroups import cores
from hotremove.errors import UsageProblem
from hotremove.kernels import config, kconfig, patches
from hotremove.kernels.complaint import failure
from hotremove.kernels.distro.buildroot import Buildroot, Command
from hotremove.kernels.kconfig import KconfigOption
from hotremove.kernels.patches import Patch
from hotremove.kernels.sourcetree import TREE, SourceTree
from hotremove.progress import counting, say

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

# Where the build root sees the compiler's cache and the result.
_CCACHE, _RESULT = "/ccache", "/result"
_PATCH = ".hotremove.patch"
# A third of the files, of no use to any build for a machine with ACPI.
_NOT_NEEDED = tuple(
    f"--exclude={pattern}"
    for pattern in ("*/Documentation/*/*", "*/boot/dts/*", "*/tools/testing/*")
)
_COMPILED = re.compile(r"^\s+(?:CC|AS|LD|AR|HOSTCC)(?: \[M\])?\s+(\S+)")
_RELEASE = "include/config/kernel.release"
# What a module's build reads of a tree, as a package of headers has it.
_HEADER_FOLDERS = ("include", "scripts", "tools/objtool")
_HEADER_FILES = ("Makefile*", "Kconfig*", "Kbuild*", "*.lds", "*.sh", "*.pl")
# scripts/module-common.c becomes a part of every module (6.13, and stable kernels: 6.12.118).
_HEADER_EXTRA = (".config", "Module.symvers", "scripts/module-common.c")
_LEFTOVERS = (".o", ".cmd", ".c", ".a", ".d")


@dataclass(frozen=True)
class BuildSpec:
    """What to build.

    Attributes:
        source: where the tree comes from, and what messages call it.
        base: the .config to start from, or None for one that has nothing.
        options: what is put on top.
        suffix: what the release has after the version, `-hotremove-kasan`.
        patches: what is changed in the source, in order.
        arch: the processor it is for.
    """

    source: SourceTree
    base: str | None
    options: tuple[KconfigOption, ...]
    suffix: str
    patches: tuple[Patch, ...] = ()
    arch: Architecture = DEFAULT

    @property
    def what(self) -> str:
        """How messages call it."""
        return self.source.what


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
    folders = {TREE: tree, _CCACHE: ccache, _RESULT: target}
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
        self.build_spec.source.unpack(self.root, self.tree, _NOT_NEEDED)

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
        jobs = f"-j{cores()}"
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
        in_tree = ["env", "-C", TREE, *words]
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
