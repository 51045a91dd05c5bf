# SPDX-License-Identifier: Apache-2.0
"""A user without any rights of root's runs guests, with a cache, folders and libvirt of his own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from hotremove.cache import Cache
from hotremove.kernels.spec import resolve

pytestmark = pytest.mark.live

NOBODY = 65534

SOURCE = """
import os

import pytest

from hotremove.scenario import REMOVED


@pytest.mark.hotremove
def test_dimm_leaves(movable_dimm):
    assert os.geteuid() == 65534
    movable_dimm.eject().expect(REMOVED)
    assert os.stat(f"/proc/{movable_dimm.guest.process.pid}").st_uid == 65534
"""


def interpreter(environment: Mapping[str, str]) -> str:
    """A Python that the user may run; the environment's own may lie in root's home."""
    as_user = {"user": NOBODY, "group": NOBODY, "extra_groups": [], "cwd": "/"}
    for python in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(OSError):
            command = [python, "-c", "import libvirt, hotremove.plugin"]
            if not subprocess.run(command, env=environment, **as_user).returncode:
                return python
    pytest.skip(f"this account has no other: {NOBODY} may run no Python with the packages")


def own(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


@pytest.mark.nightly
@pytest.mark.skipif(os.geteuid() != 0, reason="this account is an ordinary user's")
def test_an_ordinary_user_hot_removes_memory(laboratory):
    kernel = resolve("debian:bookworm", Cache.default())
    folder = laboratory.temporary / "work"
    shutil.copytree(kernel.image.parent, folder / "kernel")
    (folder / "home").mkdir()
    laboratory.folder, laboratory.cache = folder, folder / "cache"
    laboratory.cache.mkdir()
    (laboratory.cache / "workloads").symlink_to(Cache.default().root / "workloads")
    laboratory.user = NOBODY
    laboratory.python = interpreter(laboratory.environment)
    own(laboratory.temporary)
    run = laboratory.run(
        SOURCE, "--hotremove-kernel", f"dir:{folder / 'kernel'}", "--hotremove-accel", "tcg"
    )
    assert run.wait() == 0, run.text
    assert [row.verdict for row in run.rows] == ["pass"]
    laboratory.expect_nothing_left()
