# SPDX-License-Identifier: Apache-2.0
"""A user without any rights of root's runs guests, with a cache, folders and libvirt of his own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from hotremove.cache import Cache
from hotremove.kernels.spec import resolve

pytestmark = pytest.mark.live

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


def own(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 65534, 65534, follow_symlinks=False)


@pytest.mark.nightly
@pytest.mark.skipif(os.geteuid() != 0, reason="every other live test shows it to who is not root")
def test_an_ordinary_user_hot_removes_memory(laboratory):
    kernel = resolve("debian:bookworm", Cache.default())
    folder = laboratory.temporary / "work"
    shutil.copytree(kernel.image.parent, folder / "kernel")
    (folder / "home").mkdir()
    laboratory.folder, laboratory.cache = folder, folder / "cache"
    laboratory.cache.mkdir()
    (laboratory.cache / "workloads").symlink_to(Cache.default().root / "workloads")
    laboratory.user = 65534
    own(laboratory.temporary)
    run = laboratory.run(SOURCE, "--kernel", f"dir:{folder / 'kernel'}", "--accel", "tcg")
    assert run.wait() == 0, run.text
    assert [row.verdict for row in run.rows] == ["pass"]
    laboratory.expect_nothing_left()
