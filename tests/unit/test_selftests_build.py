# SPDX-License-Identifier: Apache-2.0
"""The kernel's own tests, compiled from a toy's source as a kernel's are."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import kernel_samples as samples
import pytest
from toy_kernel import make_root, skip_without_namespaces

from hotremove.cache import Cache
from hotremove.errors import Blocked, CapabilityAbsent
from hotremove.kernels.distro import buildroot
from hotremove.kernels.kernel import Kernel
from hotremove.kernels.sourcetree import SourceTree
from hotremove.selftests.build import Built, build_selftests
from hotremove.selftests.suite import SUITES, Program

TESTS = "tools/testing/selftests"
MAKEFILE = (
    b"/kernel/tools/testing/selftests/mm/%: %.c\n\tgcc $(LDFLAGS) -I../../../../usr -o $@ $<\n"
)
PROGRAM = b'#include "made.h"\nint main(void) { return MADE; }\n'
SOURCE = {
    "Makefile": b"headers:\n\techo '#define MADE 4' >usr/made.h\n",
    **dict.fromkeys(("Kbuild", "Kconfig", "include/x", "arch/x86/x", "scripts/x", "usr/x"), b""),
    **{f"tools/{name}/x": b"" for name in ("arch", "build", "include", "scripts")},
    "mm/gup_test.h": b"",
    "mm/gup.c": b"not wanted",
    f"{TESTS}/memory-hotplug/mem-on-off-test.sh": b"exit 0\n",
    f"{TESTS}/mm/Makefile": MAKEFILE,
    f"{TESTS}/mm/mlock2-tests.c": PROGRAM,
    f"{TESTS}/mm/gup_longterm.c": b"int main(void) { return MISSING; }\n",
}
KERNEL = Kernel("debian:bookworm", "6.1", "6.1", Path("/none"), None)


@pytest.fixture(name="built")
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Built:
    skip_without_namespaces()
    root = make_root(tmp_path / "root")
    monkeypatch.setattr(buildroot, "get", lambda *_: root)
    samples.write_tree(tmp_path / "linux-1", SOURCE)
    archive = tmp_path / "linux.tar"
    subprocess.run(["tar", "-C", tmp_path, "-cf", archive, "linux-1"], check=True)
    tree = SourceTree("key", archive, "bookworm", "linux 1")
    return build_selftests(replace(KERNEL, source=tree), Cache(tmp_path / "cache"))


def test_what_compiles_is_there_and_runs_without_libraries(built: Built) -> None:
    program = built.find(Program("mlock2-tests"))
    assert program
    assert subprocess.run([program]).returncode == 4
    told = subprocess.run(["readelf", "-lW", program], capture_output=True, check=True)
    assert b"INTERP" not in told.stdout
    assert built.find(SUITES["memory-hotplug"].programs[0])


def test_what_does_not_compile_is_blocked_with_the_compilers_word(built: Built) -> None:
    with pytest.raises(Blocked, match=r"gup_longterm of linux 1: .*MISSING"):
        built.find(Program("gup_longterm"))


def test_what_the_source_has_not_is_not_there(built: Built) -> None:
    assert built.find(Program("thuge-gen")) is None


def test_a_kernel_that_was_not_compiled_here_has_none(tmp_path: Path) -> None:
    with pytest.raises(CapabilityAbsent, match=r"debian:bookworm is not built from source"):
        build_selftests(KERNEL, Cache(tmp_path))
