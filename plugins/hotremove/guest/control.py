# SPDX-License-Identifier: Apache-2.0
"""The control channel: commands in the guest, with exact results (docs/guest-protocol.md)."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Literal, Protocol, cast

import pexpect
from pexpect.socket_pexpect import SocketSpawn

from hotremove.errors import DeadlineExceeded, GuestLost, HotremoveError
from hotremove.guest.polling import wait_until

PROTOCOL = 1
Ending = Literal["exit", "signal", "deadline"]

_FRAME = re.compile(rb"(\d+) (ready|out|err|pid|exit|signal|deadline|error)(?: ([^\n]*))?\n")
# How much longer than a command's own deadline the host waits for the agent to say so, in seconds.
# A guest under TCG on a busy machine answers late; a dead one is noticed by its console or process.
GRACE = 15.0
# How often a wait looks up to see whether the guest still lives, in seconds.
_SLICE = 0.5


@dataclass(frozen=True)
class Completed:
    """A command that ended.

    Attributes:
        command: what was run.
        ending: `exit`, `signal` or `deadline`.
        status: exit status or signal number; 0 with `deadline`.
        stdout: all it wrote, as bytes.
        stderr: likewise.
    """

    command: str
    ending: Ending
    status: int
    stdout: bytes
    stderr: bytes

    @property
    def ok(self) -> bool:
        """Whether it exited with status 0."""
        return self.ending == "exit" and self.status == 0

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.stdout.decode(errors="replace")


@dataclass
class Job:
    """A command under way in the guest."""

    number: int
    command: str
    pid: int | None = None
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    ending: Ending | None = None
    status: int = 0
    complaint: str | None = None

    @property
    def running(self) -> bool:
        """Whether the guest has not reported its end."""
        return self.ending is None

    def completed(self) -> Completed:
        """The result of a job that has ended."""
        ending: Ending = self.ending or "deadline"
        out, err = bytes(self.stdout), bytes(self.stderr)
        return Completed(self.command, ending, self.status, out, err)


class Life(Protocol):
    """What a channel asks about the guest at its other end."""

    def check(self) -> None:
        """Raise what became of the guest if it has ended."""

    def lost(self, complaint: str) -> HotremoveError:
        """The error for a guest that lives and does not answer."""


class Control:
    """Requests to the guest's agent, several under way at once if wanted."""

    def __init__(self, path: Path, life: Life) -> None:
        self._path = path
        self._life = life
        self._numbers = count(1)
        self._jobs: dict[int, Job] = {}
        self._socket: socket.socket | None = None
        self._spawn: SocketSpawn[bytes] | None = None
        # The frame under way: what it announced, until all of it is here.
        self._header: tuple[bytes, ...] | None = None

    def connect(self, deadline: float) -> None:
        """Open the channel and wait until the agent answers, `deadline` seconds at most.

        Raises:
            GuestLost, GuestDied: no answer, or one of another protocol version.
        """
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(self._path))
        self._spawn = SocketSpawn(self._socket, maxread=1 << 18, use_poll=True)
        # pexpect waits 50 ms before each send, which suits programs that turn echo off.
        self._spawn.delaybeforesend = None
        self._spawn.delayafterread = None
        # The empty line ends what an earlier host may have left unfinished.
        self._send(b"\n")
        self._finish(self._request("ping"), deadline)

    def close(self) -> None:
        """Leave the channel; the guest's jobs go on."""
        if self._socket:
            self._socket.close()
        self._socket = self._spawn = None

    def fileno(self) -> int:
        """The open socket, for the descriptor accounting of tests."""
        return self._socket.fileno() if self._socket else -1

    def ping(self) -> None:
        """A round trip to the agent."""
        self._finish(self._request("ping"), GRACE)

    def run(self, command: str, deadline: float = 30.0) -> Completed:
        """Run a shell command in the guest; killed with its children after `deadline` seconds.

        Raises:
            GuestLost, GuestDied: the guest went away.
        """
        job = self._request(f"run {deadline:g} {_one_line(command)}")
        job.command = command
        self._finish(job, deadline + GRACE)
        return job.completed()

    def check(self, command: str, deadline: float = 30.0) -> str:
        """The output of a command that has to succeed.

        Raises:
            RuntimeError: it failed; the text tells how.
            DeadlineExceeded: it took longer than `deadline` seconds.
        """
        done = self.run(command, deadline)
        if done.ending == "deadline":
            raise DeadlineExceeded(f"`{command}` did not end within {deadline:g} s in the guest")
        if not done.ok:
            complaint = done.stderr.decode(errors="replace").strip()
            ending = f"{done.ending} {done.status}"
            raise RuntimeError(f"`{command}` failed in the guest ({ending}): {complaint}")
        return done.text

    def start(self, command: str) -> Job:
        """Start a shell command in the background; its handle takes input and gives output."""
        job = self._request(f"start {_one_line(command)}")
        job.command = command
        self._pump(lambda: job.pid is not None or not job.running, GRACE, f"`{command}`: no start")
        return job

    def send(self, job: Job, data: bytes) -> None:
        """Write to the job's standard input."""
        self._send(f"{job.number} input {len(data)}\n".encode() + data)

    def close_input(self, job: Job) -> None:
        """Close the job's standard input."""
        self._send(f"{job.number} eof\n".encode())

    def kill(self, job: Job, signal_number: int) -> None:
        """Signal the job's process group."""
        if job.running:
            self._send(f"{job.number} kill {signal_number}\n".encode())

    def wait(self, job: Job, deadline: float) -> Completed | None:
        """The job's result, or None when it still runs after `deadline` seconds."""
        self._pump_until(lambda: not job.running, deadline)
        return None if job.running else self._retire(job)

    def read_line(self, job: Job, deadline: float) -> bytes | None:
        """The next line of the job's output, without its end; None after `deadline` seconds."""
        self._pump_until(lambda: b"\n" in job.stdout or not job.running, deadline)
        line, newline, rest = bytes(job.stdout).partition(b"\n")
        if not newline:
            return None
        job.stdout[:] = rest
        return line

    def read(self, path: str) -> str:
        """Contents of a file of the guest.

        Raises:
            OSError: with the guest's errno.
        """
        return next(self.read_all([path]))

    def read_all(self, paths: Iterable[str]) -> Iterator[str]:
        """Contents of many files, asked for at once: one round trip, not one a file.

        Raises:
            OSError: with the guest's errno, for the first that cannot be read.
        """
        asked = [(path, self._request(f"read {_one_line(path)}")) for path in paths]
        for path, job in asked:
            self._finish(job, GRACE)
            _raise_errno(job, path)
            yield bytes(job.stdout).decode(errors="replace")

    def write(self, path: str, content: str | bytes) -> None:
        """Write to a file of the guest at one go, as sysfs attributes want it.

        Raises:
            OSError: with the guest's errno.
        """
        data = content.encode() if isinstance(content, str) else content
        job = self._request(f"write {path} {len(data)}", data)
        self._finish(job, GRACE)
        _raise_errno(job, path)

    def set_clock(self, now: float) -> None:
        """Set the guest's wall clock to `now`, seconds since 1970."""
        seconds = int(now)
        job = self._request(f"clock {seconds} {int((now - seconds) * 1e9)}")
        self._finish(job, GRACE)
        _raise_errno(job, "clock")

    def add_entropy(self, data: bytes) -> None:
        """Credit `data` to the guest's random pool, so that restored guests differ."""
        job = self._request(f"entropy {len(data)}", data)
        self._finish(job, GRACE)
        _raise_errno(job, "entropy")

    def _request(self, words: str, data: bytes = b"") -> Job:
        job = Job(next(self._numbers), words)
        self._jobs[job.number] = job
        self._send(f"{job.number} {words}\n".encode() + data)
        return job

    def _send(self, data: bytes) -> None:
        if not self._spawn:
            raise GuestLost("the control channel is closed")
        try:
            self._spawn.send(data)
        except OSError as error:
            raise self._ended(f"the control channel broke: {error}") from error

    def _finish(self, job: Job, deadline: float) -> None:
        self._pump(lambda: not job.running, deadline, f"no answer to `{job.command}`")
        self._retire(job)
        if job.complaint is not None:
            raise ValueError(f"the agent refused `{job.command}`: {job.complaint}")

    def _retire(self, job: Job) -> Completed:
        self._jobs.pop(job.number, None)
        return job.completed()

    def _pump(self, done: Callable[[], bool], deadline: float, complaint: str) -> None:
        """Take in frames until `done()`; a silent agent is a lost guest."""
        if not self._pump_until(done, deadline):
            raise self._life.lost(f"{complaint} within {deadline:.0f} s")

    def _pump_until(self, done: Callable[[], bool], deadline: float) -> bool:
        end = time.monotonic() + deadline
        while not done():
            left = end - time.monotonic()
            if left <= 0:
                return False
            if not self._take_frame(min(left, _SLICE)):
                self._life.check()
        return True

    def _take_frame(self, timeout: float) -> bool:
        """Deliver one frame; False when none was complete in `timeout` seconds."""
        if not self._spawn:
            raise GuestLost("the control channel is closed")
        try:
            if self._header is None:
                self._header = self._match(_FRAME, timeout).groups()
            number, kind, argument = self._header
            size = int(argument) if kind in (b"out", b"err") else 0
            payload = self._match(re.compile(b".{%d}" % size, re.DOTALL), timeout)[0]
        except pexpect.TIMEOUT:
            return False
        except (pexpect.EOF, OSError) as error:
            raise self._ended("the control channel was closed") from error
        self._header = None
        self._deliver(int(number), kind.decode(), argument or b"", payload)
        return True

    def _match(self, pattern: re.Pattern[bytes], timeout: float) -> re.Match[bytes]:
        spawn = cast("SocketSpawn[bytes]", self._spawn)
        spawn.expect([pattern], timeout=timeout)
        return cast("re.Match[bytes]", spawn.match)

    def _ended(self, complaint: str) -> HotremoveError:
        """The error for a broken channel: what became of the guest, given a moment to end."""
        wait_until(lambda: False, 0.5, self._life.check)
        return self._life.lost(complaint)

    def _deliver(self, number: int, kind: str, argument: bytes, payload: bytes) -> None:
        if kind == "ready":
            _greet(argument.decode())
            return
        job = self._jobs.get(number)
        if job is None:
            return
        if kind == "out":
            job.stdout += payload
        elif kind == "err":
            job.stderr += payload
        elif kind == "pid":
            job.pid = int(argument)
        elif kind == "error":
            job.ending, job.status, job.complaint = "exit", -1, argument.decode(errors="replace")
        else:
            job.ending = "exit" if kind == "exit" else "signal" if kind == "signal" else "deadline"
            job.status = int(argument or b"0")


def _greet(words: str) -> None:
    version = words.partition(" ")[0]
    if version != str(PROTOCOL):
        raise GuestLost(f"the guest's agent speaks protocol {version}, not {PROTOCOL}")


def _one_line(text: str) -> str:
    """A command the line protocol can carry.

    Raises:
        ValueError: it has a line break; put the lines in a file or join them with `;`.
    """
    if "\n" in text or "\0" in text:
        raise ValueError(f"a command for the guest is one line: {text!r}")
    return text


def _raise_errno(job: Job, path: str) -> None:
    if job.status:
        raise OSError(job.status, os.strerror(job.status), path)
