# SPDX-License-Identifier: Apache-2.0
"""A command in a build root has a /tmp of its own: make's jobserver has the same name in each."""

import pytest
from toy_kernel import make_root, skip_without_namespaces

from hotremove.kernels.distro.buildroot import Command


@pytest.fixture
def root(tmp_path):
    """A build root that shows the machine's own programs."""
    skip_without_namespaces()
    return make_root(tmp_path / "root")


def test_what_others_left_in_tmp_is_not_seen(root):
    (root.root / "tmp" / "GMfifo1").touch()
    made = root.run(Command(["mkfifo", "/tmp/GMfifo1"]))
    assert not made.returncode, made.stderr
    assert (root.root / "tmp" / "GMfifo1").is_file()


def test_what_is_left_in_tmp_is_gone_with_the_command(root):
    for _ in range(2):
        assert not root.run(Command(["mkfifo", "/tmp/GMfifo1"])).returncode
    assert not any((root.root / "tmp").iterdir())
