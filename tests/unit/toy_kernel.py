# SPDX-License-Identifier: Apache-2.0
"""A kernel whose make takes no time, and a build root that shows the machine's own programs."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import kernel_samples as samples
import pytest

from hotremove.kernels.distro.buildroot import Buildroot, Command

# Knows CONFIG_GOOD and CONFIG_STUCK, and never takes the latter. A header has what it was told of
# processors.
MAKEFILE = """
ARCH ?= x86
IMAGE := $(if $(filter arm64,$(ARCH)),Image,bzImage)
allnoconfig:
	grep -v STUCK $(KCONFIG_ALLCONFIG) | grep -e GOOD -e LOCALVERSION >.config
olddefconfig:
	grep -v STUCK .config >.new; mv .new .config
modules: $(IMAGE)
$(IMAGE): .config
	@echo "  CC      mm/gup.o"
	@if grep -q BREAK .config; then echo "mm/gup.c:9: error: no luck" >&2; exit 1; fi
	@if grep -q SLOW .config; then sleep 4711; fi
	@mkdir -p arch/$(ARCH)/boot arch/$(ARCH)/include include/config include/linux scripts
	@cp $(IMAGE).sample arch/$(ARCH)/boot/$(IMAGE)
	@echo "$(ARCH): $(CROSS_COMPILE), $(CC)" >arch/$(ARCH)/include/told.h
	@echo %s >include/config/kernel.release
	@touch include/linux/module.h scripts/host.o scripts/host.c scripts/module-common.c
	@date +%%N >include/linux/built.h
"""
STATUS = """\
Package: gcc-12
Version: 12.2.0-14

Package: gcc-12-aarch64-linux-gnu
Version: 12.2.0-14cross1

Package: make
Version: 4.3-4
"""
FRAGMENTS = {
    "hotremove": "CONFIG_GOOD=y\nCONFIG_OLD=y # where known\nCONFIG_GOOD_ARM=y # on arm64\n",
    "debian": "# CONFIG_MODULE_SIG is not set\n",
    "stuck": "CONFIG_STUCK=y\n",
    "unknown": "CONFIG_NOVEL=m\n",
    "slow": "CONFIG_GOOD_SLOW=y\n",
    "broken": "CONFIG_GOOD_BREAK=y\n",
}


def skip_without_namespaces() -> None:
    """Skip the test where no build root can be entered."""
    tried = ["unshare", "--mount", "--pid", "--fork", "true"]
    if os.geteuid() != 0:
        tried.insert(1, "--map-root-user")
    if subprocess.run(tried, capture_output=True).returncode:
        pytest.skip("this account may make no namespaces: run as root, or allow them to users")


def tree(release: str, head: str = "") -> dict[str, bytes]:
    """The toy's files; `head` comes first in its Makefile."""
    return {
        "Makefile": (head + MAKEFILE % release).encode(),
        "Kconfig": b"config GOOD\n\tbool\nconfig STUCK\n\tbool\nmenuconfig BREAK\n\tbool\n",
        "bzImage.sample": samples.image(release, "(a@b) #1 SMP"),
        "Image.sample": samples.arm64_image(release),
        "Documentation/deep/page": b"not needed",
    }


class Machine(Buildroot):
    """Has the machine's programs."""

    def _enter(self, command: Command) -> list[str]:
        return super()._enter(replace(command, folders={**command.folders, "/usr": Path("/usr")}))


def make_root(folder: Path) -> Buildroot:
    """A build root that shows the machine's own /usr."""
    for name in ("dev", "proc", "usr", "etc", "tmp"):
        (folder / name).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (folder / name).symlink_to(f"usr/{name}")
    samples.write_tree(folder, {"var/lib/dpkg/status": STATUS.encode()})
    return Machine(folder)


def write_fragments(folder: Path) -> Path:
    """A folder of fragments for the toy."""
    return samples.write_tree(folder, {f"{n}.config": t.encode() for n, t in FRAGMENTS.items()})


def need_git() -> None:
    """Skip the test where there is no git."""
    if not shutil.which("git"):
        pytest.skip("needs git")
