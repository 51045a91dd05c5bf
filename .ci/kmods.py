# SPDX-License-Identifier: Apache-2.0
"""Compile the kernel modules with the kernel's own extra warnings, all being errors.

Words are kernels: `python .ci/kmods.py debian:bookworm debian:trixie`.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path

from hotremove.bootimage.toolchain import find_toolchain
from hotremove.cache import Cache
from hotremove.errors import HotremoveError
from hotremove.kernels import spec

KMODS = Path(__file__).resolve().parents[1] / "kmods"
# W=1 has -Wextra (scripts/Makefile.extrawarn). Checks of kernel-doc comments, which come with it,
# take a Perl module that 6.12's build root lacks.
STRICT = ("W=1", "KCFLAGS=-Werror", "cmd_checkdoc=:", "modules")
# modpost and objtool warn whatever the compiler is told.
WARNING = re.compile(r"warning: |WARNING: |error: |ERROR: |\*\*\* ")


def complaints(kernel: str) -> list[str]:
    """What is wrong with the modules for a kernel, by its spec.

    Raises:
        HotremoveError: they cannot be compiled on this machine at all.
    """
    cache = Cache.default()
    toolchain = find_toolchain(spec.resolve(kernel, cache), cache)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder, "kmods")
        shutil.copytree(KMODS, work)
        done = toolchain.make(work, "-j2", *STRICT)
    lines = (done.stdout + done.stderr).splitlines()
    found = [line for line in lines if WARNING.search(line)]
    return found or (lines[-1:] if done.returncode else [])


def main() -> int:
    """1 where a kernel has complaints, 4 where a kernel's modules cannot be tried."""
    bad = False
    for kernel in sys.argv[1:]:
        try:
            found = complaints(kernel)
        except HotremoveError as error:
            print(f"{kernel}: {error}", file=sys.stderr)
            return 4
        for line in found:
            print(f"{kernel}: {line}", file=sys.stderr)
        bad |= bool(found)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
