# SPDX-License-Identifier: Apache-2.0
"""The stacks of functions that a report shows, of every architecture.

Sources: show_trace_log_lvl() in arch/x86/kernel/dumpstack.c, dump_backtrace_entry() in
arch/arm{,64}/kernel/{traps,stacktrace}.c, show_stack() in arch/powerpc/kernel/process.c,
arch/s390/kernel/dumpstack.c, arch/riscv/kernel/stacktrace.c, scripts/decode_stacktrace.sh;
4.4 to 7.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from hotremove.observe.kernellog.remembered import Remembered
from hotremove.observe.kernellog.rules import Rules

FUNCTION = r"\.?([A-Za-z_$][\w.$]*)"
"""A function's name as a group; 64-bit PowerPC may write a dot before it."""

_ADDRESSES = r"(?:\(?\[<?[0-9a-f]{8,16}>?\]\)?\s*)*"
_FRAME = re.compile(
    rf"\s*{_ADDRESSES}(\? )?\(?{FUNCTION}(?:"
    r"\+0x[0-9a-f]+/0x[0-9a-f]+"
    r"|(?= \([^()]+:\d+)"  # a source file instead of an offset
    r"|(?= \S+:\d+ \[inline\])"
    r"|(?=(?: \[\w+\])?\)? from (?:\[<|[\w.$]+\+0x))"  # 32-bit ARM names callee and caller
    r")"
)
_REGISTER = re.compile(
    r"\s*(?:RIP|EIP|IP|PC|NIP|epc|pc|ERA|Krnl PSW)\b[^+]*?(?<![\w.$])"
    rf"{FUNCTION}(?:\+0x[0-9a-f]+/0x[0-9a-f]+| \S+:\d+ \[inline\]| \([^()]+:\d)"
)
_REGISTERS = frozenset("REIPNepK")  # what a line of _REGISTER begins with
_OWNER = re.compile(
    r"(?:NMI backtrace for cpu |Task dump for CPU |CPU: ?)(?P<cpu>\d+)"
    r"|task:.*\bpid:(?P<pid>\d+)|\S+ +R +running task +\d+ +(?P<old_pid>\d+)"
)
_IN = re.compile(rf".* in {FUNCTION}\+0x[0-9a-f]+/0x[0-9a-f]+ ")
_CLONE = re.compile(r"\.(?:isra|constprop|part|cold|llvm)(?:\.\d+)*|\.\d+$")
_TOLERATED = 2
_LESSONS = 16384  # messages of which it is remembered what they say


@lru_cache(maxsize=4096)
def bare(function: str) -> str:
    """A function's name without what the compiler adds to clones of it."""
    return _CLONE.sub("", function)


@dataclass(slots=True)
class Stack:
    """Functions that called one another, innermost first, without clone suffixes.

    Attributes:
        frames: those the kernel is sure of.
        doubtful: those it marks `?`, which were only found on the stack.
        places: where the processor was, from the registers above the stack; for one that tells of
            the past, the function that its heading names.
        headed: a line such as `Call Trace:` stands above it.
        past: the line above it when it tells of something that was before: who allocated it.
        cpu: the processor it is of, when the report says so.
        pid: the task it is of, when the report names one.
    """

    frames: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    headed: bool = False
    past: str = ""
    cpu: int | None = None
    pid: int | None = None

    @property
    def names(self) -> list[str]:
        """Its functions: those that are sure, or the doubtful ones where none is.

        Out of a thunk, for instance, 5.10 unwinds nothing for certain.
        """
        return self.frames or self.doubtful


def has_frames(message: str) -> bool:
    """Whether a line may name a function of a stack; quick, and True too often."""
    return (
        "+0x" in message
        or ".c:" in message
        or ".h:" in message
        or ".S:" in message
        or " from " in message
    )


def read_stacks(messages: Iterable[str], rules: Rules) -> Iterator[Stack]:
    """Every stack among these messages, in order, each when it is read to its end.

    A line of somebody else's between two frames is passed over; a blank one or two strange ones
    end a stack.
    """
    reader, lessons = _Reader(), _lessons(rules)
    for message in messages:
        lessons[message](reader)
        if reader.stacks:
            yield from reader.finished()
    reader.end()
    yield from reader.finished()


@dataclass(slots=True)
class _Reader:
    """What was read and not given out; `stack` is the one that the next frame belongs to.

    Attributes:
        inside: the stack has frames.
        strangers: lines in a row since the last one that were none.
    """

    stacks: list[Stack] = field(default_factory=list)
    stack: Stack = field(default_factory=Stack)
    inside: bool = False
    strangers: int = 0

    def finished(self) -> list[Stack]:
        """The stacks that are read to their end and were not asked for before."""
        stacks, self.stacks = self.stacks, []
        return stacks

    def take_frame(self, name: str, *, doubtful: bool) -> None:
        """One more function of the stack."""
        self.inside, self.strangers = True, 0
        (self.stack.doubtful if doubtful else self.stack.frames).append(name)

    def end(self) -> None:
        """No more frames come for the present stack."""
        stack = self.stack
        if stack.frames or stack.doubtful or stack.places:
            self.stacks.append(stack)
        self.stack = Stack(cpu=stack.cpu, pid=stack.pid)
        self.inside, self.strangers = False, 0

    def begin_trace(self) -> None:
        """A line such as `Call Trace:`."""
        if self.inside or self.stack.past:
            self.end()
        self.stack.headed = True
        self.strangers = 0

    def doubt(self, weight: int) -> None:
        """A line that is no frame: the stack may be over."""
        if self.inside:
            self.strangers += weight
            if self.strangers >= _TOLERATED:
                past = self.stack.past if weight < _TOLERATED else ""
                self.end()
                self.stack.past = past

    def take_place(self, name: str) -> None:
        """Where the processor was: above a stack, or inside one that an interrupt cut."""
        if not self.inside:
            self.stack.places.append(name)
        elif not self.strangers:
            self.stack.frames.append(name)

    def begin_past(self, heading: str, named: Sequence[str]) -> None:
        """The next stack is of something that was before."""
        self.end()
        self.stack.past = heading
        self.stack.places += named

    def begin_owned(self, cpu: int | None, pid: int | None, *, asked: bool) -> None:
        """The next stack is of this processor or task, which another may have asked for it."""
        if not self.stack.places or asked:
            self.end()
        self.stack.cpu, self.stack.pid = cpu, pid


_Lesson = Callable[[_Reader], None]
"""What a line says to whoever reads stacks: by itself, so that it is found out once."""


@lru_cache(maxsize=8)
def _lessons(rules: Rules) -> Remembered[_Lesson]:
    return Remembered(lambda message: _lesson(message, rules), _LESSONS)


def _lesson(message: str, rules: Rules) -> _Lesson:
    frame = _FRAME.match(message) if has_frames(message) else None
    if frame:
        doubtful, name = frame[1] is not None, bare(frame[2])
        return lambda reader: reader.take_frame(name, doubtful=doubtful)
    if not message or message.isspace():
        return lambda reader: reader.doubt(_TOLERATED)
    if "race" in message and rules.trace.match(message):
        return _Reader.begin_trace
    return _register(message) or _between(message, rules) or _heading(message, rules) or _doubt


def _register(message: str) -> _Lesson | None:
    """A register that says where the processor was."""
    if message.lstrip()[:1] not in _REGISTERS:
        return None
    found = _REGISTER.match(message)
    if not found:
        return None
    name = bare(found[1])
    return lambda reader: reader.take_place(name)


def _heading(message: str, rules: Rules) -> _Lesson | None:
    """A line that says of what the next stack is."""
    if rules.past.match(message):
        heading, found = message.strip(), _IN.match(message)
        named = [bare(found[1])] if found else []
        return lambda reader: reader.begin_past(heading, named)
    owner = _OWNER.match(message)
    if not owner:
        return None
    cpu, pid = (
        int(one) if one else None for one in (owner["cpu"], owner["pid"] or owner["old_pid"])
    )
    asked = message.startswith("NMI")
    return lambda reader: reader.begin_owned(cpu, pid, asked=asked)


def _between(message: str, rules: Rules) -> _Lesson | None:
    """A line inside a stack that is no function: registers above all, which are many."""
    return _pass if rules.between.match(message) else None


def _pass(_: _Reader) -> None:
    """Neither a frame nor a stranger."""


def _doubt(reader: _Reader) -> None:
    reader.doubt(1)
