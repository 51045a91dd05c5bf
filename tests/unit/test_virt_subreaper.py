# SPDX-License-Identifier: Apache-2.0
"""Detached QEMUs are reaped, whoever else's children have ended and wait to be waited for."""

import shutil
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import subprocess, sys, time
from pathlib import Path
from hotremove.virt.process import subreaper

subreaper()
ended = subprocess.Popen(["true"])  # nobody waits for it
time.sleep(0.3)
starts = f"setsid {sys.argv[1]} 0.2 & echo $!"
pid = int(subprocess.run(["sh", "-c", starts], capture_output=True, text=True).stdout)
end = time.monotonic() + 10
while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
    time.sleep(0.02)
sys.exit(Path(f"/proc/{pid}").exists())
"""


def test_an_unwaited_child_does_not_hide_an_emulator_that_has_ended(tmp_path):
    emulator = tmp_path / "qemu-system-none"
    shutil.copy(shutil.which("sleep"), emulator)
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, emulator],
        env={"PYTHONPATH": str(root / "plugins")},
        timeout=60,
    )
    assert done.returncode == 0, "it is a zombie after 10 s"
