# SPDX-License-Identifier: Apache-2.0
"""The QEMU processes behind the domains: adopted, reaped, killed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import threading
import time
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


class Subreaper:
    """Adopts the QEMU processes that libvirt detaches, and reaps them the moment they end.

    Else PID 1 would have to; libvirt waits for that with the domain locked, and where PID 1 is slow
    (a container's), each destroy takes a second or two.
    """

    def __init__(self) -> None:
        self._statuses: dict[int, int] = {}
        self._news = threading.Condition()
        self._adopted: set[int] = set()
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        threading.Thread(target=self._reap_for_ever, name="subreaper", daemon=True).start()

    def look_after(self, pid: int) -> None:
        """Keep the status that `pid` will end with; what an earlier `pid` left is forgotten."""
        with self._news:
            if Path(f"/proc/{pid}").exists():
                self._statuses.pop(pid, None)
            self._adopted.add(pid)

    def status(self, pid: int, timeout: float = 0) -> int | None:
        """The wait status of a process that has ended, after at most `timeout` seconds."""
        with self._news:
            self._news.wait_for(lambda: pid in self._statuses, timeout)
            return self._statuses.get(pid)

    def _reap_for_ever(self) -> None:
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            except ChildProcessError:
                time.sleep(0.05)
                continue
            if ended and _is_detached_emulator(ended.si_pid):
                self._reap(ended.si_pid, os.WNOHANG)
            else:
                # Some other child that its own parent code has yet to wait for: look past it, to
                # those of other libvirts too, which wait for the end of each QEMU they have tried.
                for pid in self._adopted | set(filter(_is_detached_emulator, _children())):
                    self._reap(pid, os.WNOHANG)
                time.sleep(0.02)

    def _reap(self, pid: int, options: int) -> None:
        try:
            reaped, status = os.waitpid(pid, options)
        except ChildProcessError:
            reaped, status = pid, 0
        if reaped:
            with self._news:
                self._statuses[pid] = status
                self._adopted.discard(pid)
                self._news.notify_all()


def _children() -> set[int]:
    """Pids of this process's children."""
    listed: set[int] = set()
    for file in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread has ended
            listed.update(map(int, file.read_text().split()))
    return listed


def _is_detached_emulator(pid: int) -> bool:
    """Whether a child is a QEMU in a session of its own, as libvirt starts them.

    QEMU started by this process's own code shares its session and is left to that code.
    """
    try:
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
    except OSError:
        return False
    return name.startswith("qemu-system") and int(rest.split()[3]) != os.getsid(0)


_subreaper: Subreaper | None = None


def subreaper() -> Subreaper:
    """The process's one subreaper, opened when first asked for."""
    global _subreaper
    if _subreaper is None:
        _subreaper = Subreaper()
    return _subreaper


class EmulatorProcess:
    """An adopted QEMU process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._subreaper = subreaper()
        self._subreaper.look_after(pid)

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self._subreaper.status(self.pid) is None

    @property
    def stopped(self) -> bool:
        """Whether a signal or a debugger has stopped it."""
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        return state in ("T", "t")

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        status = self._subreaper.status(self.pid)
        if status is None:
            return "QEMU is running"
        if status == 0:
            return "it was reset or powered off"
        if os.WIFSIGNALED(status):
            return f"QEMU was killed by {signal.Signals(os.WTERMSIG(status)).name}"
        return f"QEMU exited with status {os.WEXITSTATUS(status)}"

    def vcpus(self) -> list[int]:
        """Thread ids of its vCPUs, in order; under icount one thread is all of them."""
        named = {}
        for task in Path(f"/proc/{self.pid}/task").glob("*"):
            with contextlib.suppress(OSError):  # the thread has ended
                named[(task / "comm").read_text()] = int(task.name)
        ordered = sorted(named, key=lambda name: (len(name), name))
        return [named[name] for name in ordered if name.startswith("CPU ")]

    def kill(self) -> None:
        """End it with SIGKILL and wait until it is reaped, for 10 s at most."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self._subreaper.status(self.pid, timeout=10)
