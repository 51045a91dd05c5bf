# SPDX-License-Identifier: Apache-2.0
"""Programs of this machine, each with a bound: no mirror and no disk that hangs holds up a run.

What a program has started ends with it, and so does all of it when its caller is interrupted.
"""

from __future__ import annotations

import os
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread, current_thread, main_thread
from typing import Any

from hotremove.errors import HostProblem

Words = Sequence[str | Path]

# Seconds for a program that only looks at something, which takes a fraction of one.
QUICK = 60.0
# Seconds that killed programs are given to be gone.
_GRACE = 10.0
# How much of a command a message quotes, in characters.
_QUOTED = 120


def run(
    command: Words, what: str, seconds: float = QUICK, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, with nothing on its input, and keep what it prints.

    `what` says in a message what was being done.

    Raises:
        HostProblem: it did not end within `seconds`.
        OSError: it cannot be started.
    """
    kept: dict[str, Any] = {"stderr": subprocess.PIPE, "text": True, "errors": "replace"}
    with started(command, what, seconds, env=env, **kept) as child:
        out, err = child.process.communicate()
    return subprocess.CompletedProcess(command, child.process.returncode, out, err)


def feed(
    command: Words, what: str, data: bytes, seconds: float = QUICK, **how: Any
) -> subprocess.CompletedProcess[bytes]:
    """The same with `data` on its input, and bytes on its output."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE}
    with started(command, what, seconds, **pipes, **how) as child:
        out, err = child.process.communicate(data)
    return subprocess.CompletedProcess(command, child.process.returncode, out, err)


class Child:
    """A program that runs.

    Attributes:
        process: as Python has it.
        expired: whether its time is over.
    """

    def __init__(self, process: subprocess.Popen[Any], seconds: float) -> None:
        self.process = process
        self.expired = False
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._done = Event()
        self._watch = Thread(target=self._kill_at_the_end, name="bound", daemon=True)
        self._watch.start()

    def lines(self) -> Iterator[str]:
        """What it prints; each line is a sign of life, from which on its time is counted."""
        for line in self.process.stdout or ():
            self._end = time.monotonic() + self._seconds
            yield line

    def end(self) -> None:
        """End it, and all that it has started."""
        self._done.set()
        self._watch.join()
        self._kill()
        self.process.wait()  # which Popen leaves out when it is interrupted
        self._await_end_of_output()

    def _kill_at_the_end(self) -> None:
        while (left := self._end - time.monotonic()) > 0:
            if self._done.wait(left):
                return
        self.expired = True
        self._kill()

    def _await_end_of_output(self) -> None:
        """Wait until the last process that could write to the pipe is gone, which was killed."""
        out = self.process.stdout
        end = time.monotonic() + _GRACE
        while out and not out.closed and (left := end - time.monotonic()) > 0:
            ready, _, _ = select.select([out], [], [], left)
            if not ready or not os.read(out.fileno(), 1 << 16):
                return

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


@contextmanager
def started(command: Words, what: str, seconds: float, **how: Any) -> Iterator[Child]:
    """Start a program, whose output is a pipe unless `how` says otherwise; it ends with the block.

    It is given `seconds`, or so many since its last sign of life.

    Raises:
        HostProblem: its time is over.
    """
    how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **how}
    with ExitStack() as stack:
        with _interrupts_held_back():
            # A session of its own, so that all of it can be ended.
            process = stack.enter_context(subprocess.Popen(command, start_new_session=True, **how))
            child = Child(process, seconds)
            stack.callback(child.end)
        try:
            yield child
            if process.stdout:
                process.stdout.close()  # who still writes to it ends
            process.wait()
        except Exception as error:
            if not child.expired:
                raise
            raise _overdue(command, what, seconds) from error
    if child.expired:
        raise _overdue(command, what, seconds)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Have signals wait for the end of the block: after fork nobody knows the child for a while."""
    if current_thread() is not main_thread():
        yield  # Python has handlers run in the main thread alone
        return
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    ours = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in ours:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
        for caught in came:
            signal.raise_signal(caught)


def _overdue(command: Words, what: str, seconds: float) -> HostProblem:
    quoted = shlex.join(map(str, command))
    short = quoted if len(quoted) <= _QUOTED else f"{quoted[:_QUOTED]}…"
    return HostProblem(
        f"{what}: no end after {seconds:g} s, and it was killed; try by hand: {short}"
    )
