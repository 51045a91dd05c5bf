# SPDX-License-Identifier: Apache-2.0
"""The command that lists a guest's memory blocks, run by busybox as the guest runs it."""

import shutil
import subprocess

import pytest

from hotremove.guest import memory_blocks


def make_block(root, number, state):
    (root / f"memory{number}").mkdir()
    (root / f"memory{number}/phys_index").write_text(f"{number:08x}\n")
    (root / f"memory{number}/state").write_text(f"{state}\n")
    (root / f"memory{number}/valid_zones").write_text("Movable\n")


def test_the_zone_of_a_block_that_is_not_online_is_not_read(tmp_path):
    """A kernel in which the block is just being added dies of that."""
    busybox = shutil.which("busybox")
    if not busybox:
        pytest.skip("needs busybox: apt-get install busybox-static")
    (tmp_path / "block_size_bytes").write_text("8000000\n")
    for number, state in enumerate(("online", "offline", "going-offline", "online")):
        make_block(tmp_path, number, state)
    command = memory_blocks.LIST.replace(memory_blocks.SYSFS, str(tmp_path))
    listed = subprocess.run([busybox, "sh", "-c", command], capture_output=True, text=True)
    found = {block.index: block.zones for block in memory_blocks.parse_listing(listed.stdout)}
    assert found == {0: ("Movable",), 1: (), 2: (), 3: ("Movable",)}
