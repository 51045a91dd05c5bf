# SPDX-License-Identifier: Apache-2.0
"""A root in which no build root can be entered says so at once, and what to do."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# A root that is no mount point, as one by mmdebstrap is when nobody has bound it onto itself.
ENTER = """
for folder in usr etc proc dev tmp {prefix} {root}; do
    mkdir -p "$0/$folder" && mount --rbind "/$folder" "$0/$folder" || exit
done
for folder in bin sbin lib lib64; do ln -s "usr/$folder" "$0/$folder" || exit; done
exec chroot "$0" "$@"
"""
ASK = "from hotremove.kernels.distro.buildroot import find_obstacle; print(find_obstacle())"


@pytest.fixture
def place():
    """Not below /tmp, which is bound into it; the mounts end with their namespace."""
    made = Path(tempfile.mkdtemp(dir="/var/tmp"))
    yield made
    shutil.rmtree(made)


@pytest.mark.skipif(os.geteuid() != 0, reason="this account may not chroot")
def test_a_root_that_is_no_mount_point_is_told_before_anything_is_fetched(place):
    enter = ENTER.format(prefix=sys.prefix.lstrip("/"), root=str(ROOT).lstrip("/"))
    command = ["unshare", "--mount", "sh", "-c", enter, str(place), sys.executable, "-c", ASK]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "plugins")}
    asked = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout == (
        "no build root can be entered here (unshare: cannot change root filesystem propagation: "
        "Invalid argument): before chroot, mount --bind the root onto itself\n"
    )
