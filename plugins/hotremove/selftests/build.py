# SPDX-License-Identifier: Apache-2.0
"""The programs, compiled from the source of a kernel in a build root: linked statically, kept."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hotremove import processes, shapes
from hotremove.architecture.architecture import Architecture
from hotremove.architecture.known import is_native
from hotremove.cache import Cache, digest
from hotremove.errors import Blocked, CapabilityAbsent
from hotremove.kernels import kbuild
from hotremove.kernels.complaint import first_complaint
from hotremove.kernels.distro import buildroot
from hotremove.kernels.distro.buildroot import Buildroot, Command
from hotremove.kernels.kernel import Kernel
from hotremove.kernels.sourcetree import TREE, SourceTree
from hotremove.progress import waiting
from hotremove.selftests.suite import HOTPLUG, MEMORY, OLD_MEMORY, Program, programs

PACKAGES = (*kbuild.PACKAGES, "libcap-dev", "liburing-dev")
"""What compiles them: beside the kernel's own, libraries that single programs take."""

# Of a tree, what its headers for programs are made from, and the tests.
_PARTS = (
    *("Makefile", "Kbuild", "Kconfig", "include", "scripts", "usr"),
    *("tools/arch", "tools/build", "tools/include", "tools/scripts", "tools/testing/selftests"),
    "mm/gup_test.h",
)
_TESTS = "tools/testing/selftests"
_ABSENT = "absent.json"


def _choice(arch: Architecture) -> tuple[str, ...]:
    """What tar is told to unpack of a source."""
    parts = (*_PARTS, arch.folder)
    return ("--wildcards", "--no-wildcards-match-slash", *(f"*/{part}" for part in parts))


@dataclass(frozen=True)
class Built:
    """The programs of one source.

    Attributes:
        files: those that were compiled.
        failed: why a program that the source has could not be, by its name.
        what: the source, in words.
    """

    files: tuple[Path, ...]
    failed: Mapping[str, str]
    what: str

    def find(self, program: Program) -> Path | None:
        """The file of a program; None where the source has none.

        Raises:
            Blocked: it does not compile.
        """
        if program.name in self.failed:
            raise Blocked(f"{program.name} of {self.what}: {self.failed[program.name]}")
        return next((file for file in self.files if file.name == program.name), None)


def build_selftests(kernel: Kernel, cache: Cache) -> Built:
    """The programs, compiled if the cache does not hold those of this source.

    Raises:
        CapabilityAbsent: the kernel was not compiled from a source that is at hand.
        Blocked: there is no build root, or the kernel is for another processor.
        HostProblem, UsageProblem: no disk space; the source is damaged.
    """
    source = kernel.source
    if source is None:
        told = "not built from source, with which they come"
        raise CapabilityAbsent(f"no tests of the kernel's own: {kernel.spec} is {told}")
    if not is_native(kernel.arch):
        told = "are compiled for this machine's processor alone so far"
        raise Blocked(f"the kernel's own tests {told}")
    choice = _choice(kernel.arch)
    root = buildroot.get(source.suite, PACKAGES, "the kernel's own tests", cache)
    names = [program.name for program in programs()]

    def build(target: Path) -> None:
        tree = target / "tree"
        tree.mkdir()
        source.unpack(root, tree, choice)
        with waiting(f"compiling the tests of {source.what}"):
            failed = _Work(source, root, tree, target).compile()
        shutil.rmtree(tree)
        (target / _ABSENT).write_text(json.dumps(failed))

    entry = cache.get("selftests", digest(source.key, root.root.name, *choice, *names), build)
    files = tuple(sorted(path for path in entry.iterdir() if path.name != _ABSENT))
    return Built(files, shapes.read_json(entry / _ABSENT, dict[str, str]), source.what)


@dataclass(frozen=True)
class _Work:
    """A source of which the tests are compiled, in `tree`, into `target`."""

    source: SourceTree
    root: Buildroot
    tree: Path
    target: Path

    def compile(self) -> dict[str, str]:
        """Compile what there is; why each of the others is not."""
        done = self._run("make", "-s", "headers")
        if done.returncode:
            told = first_complaint(_lines(done))
            raise Blocked(f"the headers of {self.source.what} are not made: {told}")
        found = [folder for folder in (MEMORY, OLD_MEMORY) if self._tests(folder).is_dir()]
        failed: dict[str, str] = {}
        for folder in found:
            failed |= self._compile_in(folder)
        for script in filter(lambda one: one.is_script, programs()):
            shutil.copyfile(self._tests(HOTPLUG) / script.name, self.target / script.name)
        return failed

    def _compile_in(self, folder: str) -> dict[str, str]:
        """By the Makefile of a folder, which takes names as whole paths."""
        there = [
            one.name for one in programs() if (self._tests(folder) / f"{one.name}.c").is_file()
        ]
        failures = {}
        for name in there:
            # lib.mk has USERLDFLAGS from 6.6 on alone.
            words = ("LDFLAGS=-static", f"{TREE}/{_TESTS}/{folder}/{name}")
            done = self._run("make", "-C", f"{_TESTS}/{folder}", *words)
            if done.returncode:
                failures[name] = first_complaint(_lines(done))
            else:
                self._keep(self._tests(folder) / name)
        return failures

    def _keep(self, program: Path) -> None:
        copy = ["strip", "-o", str(self.target / program.name), str(program)]
        processes.run(copy, f"stripping {program.name}")

    def _tests(self, folder: str) -> Path:
        return self.tree / _TESTS / folder

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.root.run(Command(["env", "-C", TREE, *words], {TREE: self.tree}))


def _lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    return (done.stderr + done.stdout).splitlines()
