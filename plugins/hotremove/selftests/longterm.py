# SPDX-License-Identifier: Apache-2.0
"""What gup_longterm asks of a kernel, subtest by subtest, for whoever asks the same another way."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hotremove.observe.ktap import Said, Subtest

_ASKED = re.compile(
    r"(?:(?P<access>R/W|R/O) longterm GUP(?P<fast>-fast)? pin in"
    r"|(?P<uring>io_uring fixed buffer) with)"
    r" MAP_SHARED file mapping \.\.\. with (?P<memory>memfd|tmpfile|local tmpfile)"
)
_KINDS = {"memfd": "memfd", "tmpfile": "file", "local tmpfile": "file"}
# What it says of a subtest in which it was never answered: a call before the pin.
_UNANSWERED = re.compile(r"\(\) failed|START failed")


@dataclass(frozen=True)
class LongTermPin:
    """A pin that gup_longterm asked for, of a page of a shared file.

    Attributes:
        name: the subtest.
        write: whether for writing.
        fast: whether through pin_user_pages_fast().
        by_uring: whether by io_uring, which pins for writing.
        memory: `memfd`, `tmpfile` or `local tmpfile`.
        number: its place among the pins that were asked for.
        pinned: whether the kernel pinned it.
    """

    name: str
    write: bool
    fast: bool
    by_uring: bool
    memory: str
    pinned: bool
    number: int = 0

    @property
    def on_disk(self) -> bool:
        """Whether the file is of the folder that it was run in, and not of a tmpfs."""
        return self.memory == "local tmpfile"

    def map_words(self, tmpfile: str, local: str) -> dict[str, Any]:
        """The same memory, in words of `map`: a new file of a folder on a tmpfs, or of another."""
        words: dict[str, Any] = {"kind": _KINDS[self.memory], "read_only": not self.write}
        if self.memory != "memfd":
            words["file"] = f"{local if self.on_disk else tmpfile}/data{self.number}"
        return words

    def expect_same(self, answer: int) -> None:
        """Require that somebody else who asked was answered the same; `answer` is 0 or an errno.

        Raises:
            AssertionError: one is pinned and the other is not.
        """
        __tracebackhide__ = True
        ours = "refused" if answer else "pinned"
        told = "pinned" if self.pinned else "refused"
        assert ours == told, f"{self.name}: {told} by gup_longterm, and {ours} here ({answer})"


def long_term_pins(subtests: Iterable[Subtest]) -> Iterator[LongTermPin]:
    """What is known of each pin: nothing where the subtest was skipped, or failed before it."""
    for number, subtest in enumerate(subtests):
        found = _ASKED.fullmatch(subtest.name)
        if found and (pinned := _was_pinned(found, subtest)) is not None:
            yield LongTermPin(
                name=subtest.name,
                write=found["access"] != "R/O",
                fast=bool(found["fast"]),
                by_uring=bool(found["uring"]),
                memory=found["memory"],
                pinned=pinned,
                number=number,
            )


def _was_pinned(asked: re.Match[str], subtest: Subtest) -> bool | None:
    """The kernel's answer: as the subtest wants it, where it passed (gup_longterm.c, do_test()).

    Writable pins of a shared mapping are to be made of tmpfs and hugetlbfs alone.
    """
    wanted = asked["access"] == "R/O" or asked["memory"] != "local tmpfile"
    if subtest.said is Said.PASSED:
        return wanted
    if subtest.said is Said.FAILED and not _UNANSWERED.search(subtest.why):
        return not wanted
    return None
