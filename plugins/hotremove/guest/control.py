# SPDX-License-Identifier: Apache-2.0
"""The control channel: commands in the guest, with exact results (docs/guest-protocol.md)."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Literal, Protocol, cast

import pexpect
from pexpect.socket_pexpect import SocketSpawn

from hotremove.errors import DeadlineExceeded, GuestDied, GuestLost, HotremoveError
from hotremove.observe.timeline import Timeline
from hotremove.virt.clock import CLOCK
from hotremove.virt.polling import wait_until

PROTOCOL = 1
Ending = Literal["exit", "signal", "deadline"]

_FRAME = re.compile(rb"(\d+) (ready|out|err|pid|exit|signal|deadline|error)(?: ([^\n]*))?\n")
# How long the agent may be silent, in seconds, before its guest counts as lost. Longer than the
# kernel's own watchdog takes to report a soft lockup (20 to 24 s), so that a guest that hangs with
# evidence is told from one that hangs without.
GRACE = 30.0
# How long it may be silent before it is asked for a sign of life, in seconds.
_QUIET = 5.0
# How long a guest may be silent before its vCPUs get cores of their own, in seconds.
_STALL = 1.0
# How long a guest is given to end, in seconds, once its channel is closed. QEMU's end closes the
# channel first; libvirt on another machine hears of it when it comes to it.
_END = 10.0
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

    @property
    def complaint(self) -> str:
        """Standard error as text, without white space around it."""
        return self.stderr.decode(errors="replace").strip()


@dataclass
class Job:
    """A command under way in the guest."""

    number: int
    command: str
    verb: str = "start"
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

    def spread(self) -> None:
        """Help a guest whose vCPUs may be in each other's way."""


class Control:
    """Requests to the guest's agent, several under way at once if wanted.

    Each raises GuestLost or GuestDied where the guest has gone away.
    """

    def __init__(self, path: Path, life: Life, timeline: Timeline | None = None) -> None:
        """Where the agent's socket will be; the `timeline` tells what time answers took."""
        self._path = path
        self._life = life
        self._timeline = timeline or Timeline()
        self._numbers = count(1)
        self._jobs: dict[int, Job] = {}
        self._socket: socket.socket | None = None
        self._spawn: SocketSpawn[bytes] | None = None
        # The frame under way: what it announced, until all of it is here.
        self._header: tuple[bytes, ...] | None = None
        self._heard = 0.0
        self._probe: Job | None = None
        self._broken: HotremoveError | None = None

    def connect(self, deadline: float) -> None:
        """Open the channel and wait until the agent answers, `deadline` seconds at most.

        Raises:
            GuestLost, GuestDied: no answer, or one of another protocol version.
        """
        self._socket = socket.socket(socket.AF_UNIX)
        # Sending waits where the guest does not read; a hung guest must not hold it for ever.
        self._socket.settimeout(GRACE)
        try:
            self._socket.connect(str(self._path))
        except OSError as error:
            raise self._ended(f"no control channel: {error.strerror}") from error
        self._spawn = SocketSpawn(self._socket, maxread=1 << 18, use_poll=True)
        # pexpect waits 50 ms before each send, which suits programs that turn echo off.
        self._spawn.delaybeforesend = None
        self._spawn.delayafterread = None
        # The empty line ends what an earlier host may have left unfinished.
        self._send(b"\n")
        self._finish(self._request("ping"), deadline, silence=deadline)

    def close(self) -> None:
        """Leave the channel; the guest's jobs go on."""
        if self._socket:
            self._socket.close()
        self._socket = self._spawn = None

    def ping(self) -> None:
        """A round trip to the agent."""
        self._finish(self._request("ping"), GRACE)

    def run(self, command: str, deadline: float = 30.0) -> Completed:
        """Run a shell command in the guest; killed with its children after `deadline` seconds."""
        in_guest = 0 if CLOCK.stopped else deadline  # 0: none
        job = self._request(f"run {in_guest:g} {_one_line(command)}")
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
            ending = f"{done.ending} {done.status}"
            raise RuntimeError(f"`{command}` failed in the guest ({ending}): {done.complaint}")
        return done.text

    def start(self, command: str) -> Job:
        """Start a shell command in the background; its handle takes input and gives output."""
        job = self._request(f"start {_one_line(command)}")
        job.command = command
        if not self._pump(lambda: job.pid is not None or not job.running, GRACE, "start"):
            raise self._lost(f"no start of `{command}` within {GRACE:.0f} s")
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
        ended = self._pump(lambda: not job.running, deadline, "wait")
        return self._retire(job) if ended else None

    def read_line(self, job: Job, deadline: float) -> bytes | None:
        """The next line of the job's output, without its end; None after `deadline` seconds."""
        self._pump(lambda: b"\n" in job.stdout or not job.running, deadline, "line")
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

    def read_existing(self, paths: Iterable[str]) -> dict[str, str]:
        """As `read_all`, by path, without those files that are not there, or not any more."""
        asked = {path: self._request(f"read {_one_line(path)}") for path in paths}
        for job in asked.values():
            self._finish(job, GRACE)
        return {
            path: bytes(job.stdout).decode(errors="replace")
            for path, job in asked.items()
            if not job.status
        }

    def list_blocks(self, folder: str) -> str:
        """The memory blocks in a folder of sysfs, as docs/guest-protocol.md has them.

        Raises:
            OSError: with the guest's errno.
        """
        job = self._request(f"blocks {folder}")
        self._finish(job, GRACE)
        _raise_errno(job, folder)
        return bytes(job.stdout).decode(errors="replace")

    def end_jobs(self, deadline: float) -> None:
        """Kill what `start` began and still runs, and wait for the ends, `deadline` seconds."""
        running = [job for job in self._jobs.values() if job.running]
        for job in running:
            self.kill(job, signal.SIGKILL)
        self._pump(lambda: not any(job.running for job in running), deadline, "wait")

    def write(self, path: str, content: str | bytes) -> None:
        """Write to a file of the guest at one go, as sysfs attributes want it.

        Raises:
            OSError: with the guest's errno.
        """
        data = content.encode() if isinstance(content, str) else content
        job = self._request(f"write {path} {len(data)}", data)
        self._finish(job, GRACE)
        _raise_errno(job, path)

    def refresh(self, now: float, entropy: bytes) -> None:
        """Set the guest's clock to `now`, seconds since 1970, and credit `entropy` to its pool.

        Raises:
            OSError: with the guest's errno.
        """
        seconds = int(now)
        jobs = (
            self._request(f"clock {seconds} {int((now - seconds) * 1e9)}"),
            self._request(f"entropy {len(entropy)}", entropy),
        )
        for job in jobs:
            self._finish(job, GRACE)
            _raise_errno(job, job.command)

    def _request(self, words: str, data: bytes = b"") -> Job:
        job = Job(next(self._numbers), words, words.partition(" ")[0])
        self._jobs[job.number] = job
        self._send(f"{job.number} {words}\n".encode() + data)
        return job

    def _send(self, data: bytes) -> None:
        if self._broken:
            raise self._broken
        if not self._spawn:
            raise GuestLost("the control channel is closed")
        try:
            self._spawn.send(data)
        except OSError as error:
            raise self._ended(f"the control channel broke: {error}") from error

    def _finish(self, job: Job, deadline: float, silence: float = GRACE) -> None:
        if not self._pump(lambda: not job.running, deadline, job.verb, silence):
            raise self._lost(f"no answer to `{job.command}` within {deadline:.0f} s")
        self._retire(job)
        if job.complaint is not None:
            raise ValueError(f"the agent refused `{job.command}`: {job.complaint}")

    def _retire(self, job: Job) -> Completed:
        self._jobs.pop(job.number, None)
        return job.completed()

    def _pump(
        self, done: Callable[[], bool], deadline: float, verb: str, silence: float = GRACE
    ) -> bool:
        """Take in frames until `done()`; False after `deadline` seconds. `verb`: of the request.

        Raises:
            GuestLost, GuestDied: the guest ended, or its agent was silent for `silence` seconds.
        """
        with self._timeline.passing(f"agent: {verb}"):
            return self._take_frames(done, deadline, silence)

    def _take_frames(self, done: Callable[[], bool], deadline: float, silence: float) -> bool:
        end = CLOCK.now() + deadline
        if not (self._probe and self._probe.running):
            self._heard = CLOCK.now()
        while not done():
            left = end - CLOCK.now()
            if left <= 0:
                return False
            if self._take_frame(min(left, _SLICE)):
                self._heard = CLOCK.now()
            else:
                self._life.check()
                self._want_sign_of_life(silence)
        return True

    def _want_sign_of_life(self, silence: float) -> None:
        """Ask an agent that has been quiet; one that has been asked long enough is lost.

        Where the console tells that the kernel is dead, there is no more to wait for.
        """
        quiet = CLOCK.now() - self._heard
        if quiet >= _STALL:
            self._life.spread()
        if quiet < _QUIET:
            return
        if not (self._probe and self._probe.running):
            self._probe = self._request("ping")
        error = self._life.lost(f"the control channel was silent for {quiet:.0f} s")
        if quiet >= silence or (quiet >= 2 * _QUIET and isinstance(error, GuestDied)):
            self._broken = error
            raise error

    def _lost(self, complaint: str) -> HotremoveError:
        """The error for a channel that is of no use any more; later requests raise it at once."""
        self._broken = self._life.lost(complaint)
        return self._broken

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
        wait_until(lambda: False, _END, self._life.check)
        return self._lost(complaint)

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
            job.ending = cast("Ending", kind)  # _FRAME knows no other kind
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
