# SPDX-License-Identifier: Apache-2.0
"""Whole runs of pytest with the farm, watched from outside."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hotremove.cache import Cache
from hotremove.results.record import Result, read_record, read_whole
from hotremove.virt.reaper import emulators_of

CHECKOUT = Path(__file__).resolve().parents[2]
# What a run takes from the cache besides saved guests and locks; it may be shared.
SHARED = (
    *("accelerators", "apt", "firmware", "foreign", "images", "kernels", "libvirt", "vmlinux"),
    "workloads",
)
WORKS = """
import pytest

@pytest.mark.hotremove
def test_works(guest):
    assert guest.control.check("echo fine") == "fine\\n"
"""
# A shell's background job, as in CI, hands down that interrupts are ignored.
INTERRUPTIBLE = ("env", "--default-signal=INT")

WAITS = """
import os
from pathlib import Path

import pytest

@pytest.mark.hotremove
@pytest.mark.parametrize("number", range(2))
def test_waits(guest, number):
    Path(os.environ["TMPDIR"], f"waits-{os.getpid()}").touch()
    guest.control.run("sleep 300", 300)
"""
# A topology file.
NEVER_BOOTS = """
cpus = 1
movable_node = 0
dimm_slots = 1
max_mib = 1024
description = "its init is a shell that waits for input for ever"
cmdline = "rdinit=/bin/sh"
node = [{ mib = 512, cpus = "0" }]
"""


def until(condition: Callable[[], object], seconds: float, what: str) -> float:
    """Wait for `condition`; how long it took, in seconds."""
    start = time.monotonic()
    while not condition():
        took = time.monotonic() - start
        assert took < seconds, f"{what}: not within {seconds:g} s"
        time.sleep(0.02)
    return time.monotonic() - start


@dataclass(frozen=True)
class Run:
    """A run of pytest.

    Attributes:
        process: pytest, the leader of its process group.
        folder: its working directory; artifacts are in `artifacts`.
        output: file with all it printed.
    """

    process: subprocess.Popen[bytes]
    folder: Path
    output: Path

    def wait(self, seconds: float = 240) -> int:
        """The exit code."""
        return self.process.wait(seconds)

    @property
    def text(self) -> str:
        return self.output.read_text()

    @property
    def rows(self) -> tuple[Result, ...]:
        """What the record says."""
        return read_record(self.folder / "artifacts/results.json")

    @property
    def environment(self) -> Mapping[str, str]:
        """What the record says it was made on and with."""
        return read_whole(self.folder / "artifacts/results.json").environment

    @property
    def results(self) -> dict[str, Result]:
        """Results by the test's name, without the file and the kernel."""
        return {row.test.rpartition("::")[2].partition("[")[0]: row for row in self.rows}


class Laboratory:
    """Runs whose temporary files lie in a folder of their own, to see what they leave there."""

    def __init__(self, temporary: Path, folder: Path) -> None:
        self.temporary = temporary
        self.folder = folder
        self.cache = Cache.default().root
        self.user: int | None = None
        self.python = sys.executable
        self._runs: list[Run] = []

    @property
    def environment(self) -> dict[str, str]:
        own_paths = (str(CHECKOUT / "plugins"), str(CHECKOUT))  # some take steps of scenarios
        paths = os.pathsep.join((*own_paths, os.environ.get("PYTHONPATH", "")))
        own = {"TMPDIR": str(self.temporary), "HOTREMOVE_CACHE": str(self.cache)}
        if self.user is not None:
            own["HOME"] = str(self.folder / "home")
            paths = f"{paths}{os.pathsep}{sysconfig.get_path('purelib')}"
        return {**os.environ, "PYTHONPATH": paths, **own}

    def start(self, source: str | Path, *words: str) -> Run:
        """Start pytest on a scenario file, or on the text of one."""
        folder = self.folder / f"run-{len(self._runs)}"
        folder.mkdir()
        if self.user is not None:
            os.chown(folder, self.user, self.user)
        conftests = [CHECKOUT / "conftest.py"]
        if isinstance(source, Path):  # the fixtures of its folder come along
            conftests += source.parent.glob("conftest.py")
        (folder / "conftest.py").write_text("".join(file.read_text() for file in conftests))
        text = source.read_text() if isinstance(source, Path) else source
        (folder / "test_it.py").write_text(text)
        command = [*INTERRUPTIBLE, self.python, "-m", "pytest", "-p", "no:cacheprovider"]
        command += ["--color=no"]
        command += ["--hotremove-artifacts=artifacts", *words, "test_it.py"]
        output = folder / "output.txt"
        with output.open("wb") as file:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
                user=self.user,
                group=self.user,
                extra_groups=None if self.user is None else [],
            )
        run = Run(process, folder, output)
        self._runs.append(run)
        return run

    def run(self, source: str | Path, *words: str, seconds: float = 240) -> Run:
        """A run that has ended."""
        run = self.start(source, *words)
        run.wait(seconds)
        return run

    def command(self, *words: str) -> str:
        """What `hotremove WORDS` prints."""
        command = [sys.executable, "-m", "hotremove.cli", *words]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def await_guest(self) -> None:
        """Wait until a test of the source WAITS has its guest."""
        until(lambda: list(self.temporary.glob("waits-*")), 120, "a test with a guest")

    @property
    def emulators(self) -> set[int]:
        """QEMU processes of these runs."""
        return emulators_of(self.temporary)

    @property
    def left(self) -> list[str]:
        """What there is of guests: processes and directories."""
        directories = [str(path) for path in self.temporary.glob("hotremove-*")]
        return [*map(str, self.emulators), *directories]

    def expect_nothing_left(self, seconds: float = 20) -> float:
        """Seconds until nothing was left."""
        return until(lambda: not self.left, seconds, f"left over: {self.left}")

    def private_cache(self) -> Path:
        """Use a cache without saved guests, which shares the rest with the default one."""
        shared, self.cache = self.cache, self.folder / "cache"
        self.cache.mkdir()
        for kind in SHARED:
            (shared / kind).mkdir(parents=True, exist_ok=True)
            (self.cache / kind).symlink_to(shared / kind)
        return self.cache

    def close(self) -> None:
        """End what a failed test has left."""
        for run in self._runs:
            if run.process.poll() is None:
                os.killpg(run.process.pid, signal.SIGKILL)
                run.process.wait()
        for pid in self.emulators:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
