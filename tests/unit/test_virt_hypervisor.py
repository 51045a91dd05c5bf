# SPDX-License-Identifier: Apache-2.0
"""The connection to libvirt, of libvirt's own test driver."""

import os
import subprocess
import sys

import pytest

# Connects, loses the log's folder, and has a child load libvirt.
_PROGRAM = """
import os, shutil, subprocess, sys
from pathlib import Path
from hotremove.virt.hypervisor import Hypervisor

folder = Path(sys.argv[1])
folder.mkdir()
Hypervisor("test:///default", folder / "libvirt.log")
shutil.rmtree(folder)
subprocess.run([sys.executable, "-c", "import libvirt"], check=True)
print(os.environ.get("LIBVIRT_LOG_OUTPUTS"))
"""


@pytest.mark.parametrize("outputs", [None, "3:stderr"])
def test_a_child_loads_libvirt_when_the_logs_folder_is_gone(tmp_path, outputs):
    environment = {k: v for k, v in os.environ.items() if k != "LIBVIRT_LOG_OUTPUTS"}
    if outputs:
        environment["LIBVIRT_LOG_OUTPUTS"] = outputs
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, tmp_path / "run"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout.strip()) == (0, str(outputs)), done.stderr
