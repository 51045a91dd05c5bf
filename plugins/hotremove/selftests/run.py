# SPDX-License-Identifier: Apache-2.0
"""The kernel's own tests in a guest: put there, run, and told result by result."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hotremove.errors import CapabilityAbsent, HotremoveError
from hotremove.guest.capability import configuration, require
from hotremove.guest.control import Completed, Job
from hotremove.guest.machine import Guest
from hotremove.guest.memory_blocks import resize_pool
from hotremove.kernels.capabilities import switched_off
from hotremove.observe import ktap
from hotremove.observe.ktap import Said, Subtest
from hotremove.selftests.build import Built
from hotremove.selftests.longterm import LongTermPin, long_term_pins
from hotremove.selftests.suite import SUITES, Program

_PLACE = "/run/selftests"
# Exit codes (kselftest.h).
_PASSED, _SKIPPED = 0, 4
# Seconds for a program; run_vmtests.sh has 45 for each but those of its settings.
_DEADLINE = 180.0
# What scripts ask for that bash sets, and who is not root.
_SETTINGS = "UID=0"
# In the usage of older programs about huge pages: run_vmtests.sh gave them a file of hugetlbfs,
# which it mounted in their folder, where others look for it too. Later ones have a memfd.
_WANTS_FILE = re.compile(rb"<huge\w*file\w*>")
_OTHERS = "grep -q ^{user}: /etc/passwd || echo {user}:x:65534:65534::/:/bin/sh >>/etc/passwd"


@dataclass(frozen=True)
class Answer:
    """What one subtest of a program said.

    Attributes:
        program: the program's file.
        subtest: its name, its word, and why.
        absent: whether the kernel was built without what the program needs, which `why` quotes.
    """

    program: str
    subtest: Subtest
    absent: bool = False

    @property
    def name(self) -> str:
        """Program and subtest; of a program without subtests, it alone."""
        return f"{self.program}: {self.subtest.name}" if self.subtest.name else self.program

    def __str__(self) -> str:
        why = f": {self.subtest.why}" if self.subtest.why else ""
        return f"{self.name} {self.subtest.said}{why}"


@dataclass(frozen=True)
class Answers:
    """What the programs of a suite said, each at least once."""

    all: tuple[Answer, ...]

    @property
    def long_term_pins(self) -> tuple[LongTermPin, ...]:
        """What gup_longterm asked for, and was given."""
        return tuple(long_term_pins(one.subtest for one in self.all))

    def expect_passed(self) -> None:
        """Require that none failed. One that skips itself has not; it says why.

        Raises:
            AssertionError: with those that did.
        """
        __tracebackhide__ = True
        bad = [str(one) for one in self.all if one.subtest.said is Said.FAILED]
        told = "".join(f"\n{one}" for one in bad)
        assert not bad, f"{len(bad)} of {len(self.all)} tests of the kernel's own failed:{told}"


class Selftests:
    """The kernel's own tests, in one guest.

    Attributes:
        guest: where they run.
    """

    def __init__(
        self,
        guest: Guest,
        built: Built,
        tell: Callable[[Answer], None],
        keep: Callable[[str, str], None],
    ) -> None:
        """Nothing is there yet. When a program has ended, each of its answers is told.

        Under its name, what it printed is kept.
        """
        self.guest = guest
        self._built = built
        self._tell = tell
        self._keep = keep

    def run(self, name: str, folder: str = _PLACE) -> Answers:
        """Run a suite, in a folder of the guest, with memory of the movable node.

        Raises:
            CapabilityAbsent: the kernel was built without what it needs, or has no such tests.
            Blocked: a program does not compile.
            GuestDied, GuestLost: what was said before is told.
        """
        suite = SUITES[name]
        require(self.guest, suite.capability)
        found = [(one, file) for one in suite.programs if (file := self._built.find(one))]
        if not found:
            raise CapabilityAbsent(f"{self._built.what} has no tests {name}")
        self.guest.control.check(f"mkdir -p {_PLACE}")
        answers = [one for each in found for one in self._run(*each, folder)]
        return Answers(tuple(answers))

    def _run(self, program: Program, file: Path, folder: str) -> list[Answer]:
        """What a program says, with as many huge pages as it wants, and none afterwards."""
        control, node = self.guest.control, self.guest.plan.topology.movable_node
        if switched_off(configuration(self.guest), filter(None, [program.option])):
            why = f"CONFIG_{program.option} is not set"
            return self._told(program, [Subtest("", Said.SKIPPED, why)], absent=True)
        self._put(program, file)
        if program.huge_pages:
            resize_pool(control, node, program.huge_pages)
        job = control.start(f"cd {folder} && {self._command(program, file, node)}")
        answers = self._told(program, self._end(program, job))
        if program.huge_pages:
            resize_pool(control, node, 0)
        return answers

    def _end(self, program: Program, job: Job) -> list[Subtest]:
        """Wait for a program's end, or end it."""
        try:
            ended = self.guest.control.wait(job, _DEADLINE)
            if ended is None:
                self.guest.control.kill(job, signal.SIGKILL)
        except HotremoveError as error:
            self._told(program, _of_a_dead_guest(job, error))
            raise
        finally:
            self._keep(program.name, _text(job))
        return _read(program, ended) if ended else _of_one_that_hangs(job)

    def _put(self, program: Program, file: Path) -> None:
        path = f"{_PLACE}/{program.name}"
        self.guest.control.write(path, file.read_bytes())
        self.guest.control.check(f"chmod 755 {path}")
        if program.user:
            self.guest.control.check(_OTHERS.format(user=program.user))

    def _command(self, program: Program, file: Path, node: int) -> str:
        path = f"{_PLACE}/{program.name}"
        if program.is_script:
            return f"{_SETTINGS} sh {path} 2>&1"
        if program.user:
            return f"su {program.user} -c 'on_node {node} {path}' 2>&1"
        if not program.huge_pages:
            return f"on_node {node} {path} 2>&1"
        given = " huge/file" if _WANTS_FILE.search(file.read_bytes()) else ""
        mount = "mkdir -p huge && mount -t hugetlbfs none huge"
        return f"{mount} && on_node {node} {path}{given} 2>&1; ended=$?; umount huge; exit $ended"

    def _told(
        self, program: Program, subtests: Iterable[Subtest], absent: bool = False
    ) -> list[Answer]:
        answers = [Answer(program.name, subtest, absent) for subtest in subtests]
        for one in answers:
            self._tell(one)
        return answers


def _read(program: Program, ended: Completed) -> list[Subtest]:
    """The subtests of a program that has ended; one that tells none is one itself."""
    output = ktap.read(ended.text)
    found = _named(output.subtests)
    if output.missing:
        found.append(Subtest("", Said.FAILED, "; ".join(output.missing)))
    code = ended.status if ended.ending == "exit" else -1
    if code == _SKIPPED and not found:
        return [Subtest("", Said.SKIPPED, output.skipped or _last_line(ended.text))]
    failed = any(one.said is Said.FAILED for one in found)
    if code not in (_PASSED, _SKIPPED) and not failed:
        why = f"{ended.ending} {ended.status}: {_last_line(ended.text)}"
        known = program.outdated and ended.text.rstrip().endswith(program.outdated)
        return [*found, Subtest("", Said.EXPECTED if known else Said.FAILED, why)]
    return found or [Subtest("", Said.PASSED)]


def _named(subtests: Sequence[Subtest]) -> list[Subtest]:
    """A number alone is no name of one that is alone, either."""
    alone = len(subtests) == 1 and subtests[0].name.isdigit()
    return [replace(subtests[0], name="")] if alone else list(subtests)


def _of_one_that_hangs(job: Job) -> list[Subtest]:
    told = f"has not ended in {_DEADLINE:g} s; last said: {_last_line(_text(job))}"
    return [*_so_far(job), Subtest(ktap.read(_text(job), False).unfinished, Said.FAILED, told)]


def _of_a_dead_guest(job: Job, error: HotremoveError) -> list[Subtest]:
    """What a program had said before the guest ended, and what it was at then."""
    under_way = ktap.read(_text(job), False).unfinished
    first, _, _ = str(error).partition("\n")
    return [*_so_far(job), Subtest(under_way, Said.FAILED, first)]


def _so_far(job: Job) -> tuple[Subtest, ...]:
    return ktap.read(_text(job), ended=False).subtests


def _text(job: Job) -> str:
    return bytes(job.stdout).decode(errors="replace")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].lstrip("# ") if lines else "nothing"
