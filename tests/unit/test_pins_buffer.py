# SPDX-License-Identifier: Apache-2.0
"""What is made of a holder that does not answer."""

import pytest

from hotremove.errors import DeadlineExceeded
from hotremove.observe.timeline import Timeline
from hotremove.pins.buffer import DEADLINE, Buffer, PinHangs
from hotremove.verdict.judge import judge
from hotremove.verdict.outcome import Verdict

MAPPED = b'{"event": "mapped", "pid": 7, "address": 0, "bytes": 4096, "page_bytes": 4096}'
STAT = "7 (holder) R 1 7 7 0 -1 4194304 100 0 0 0 3 {stime} 0 0 20 0 1 0 5 0 0"


class Silent:
    """A guest whose holder maps memory and says no more."""

    running = True
    node = None

    def __init__(self, stime):
        self.control = self
        self.timeline = Timeline()
        self.answers = [MAPPED]
        self.stime = stime

    def start(self, command):
        return self

    def send(self, job, line):
        pass

    def read_line(self, job, deadline):
        return self.answers.pop() if self.answers else None

    def read(self, path):
        return STAT.format(stime=self.stime) if path == "/proc/7/stat" else ""

    def read_all(self, paths):
        return ["" for _ in paths]


def test_a_pin_that_burns_the_cpu_in_the_kernel_is_the_kernels_failure():
    buffer = Buffer(Silent(stime=int(DEADLINE * 90)), 4096)
    with pytest.raises(PinHangs, match="`pin rdma` goes on after 120 s, in the kernel") as told:
        buffer.pin("rdma", "rxe memory region")
    assert judge(told.value) is Verdict.FAIL


def test_a_pin_that_does_nothing_says_nothing_of_the_kernel():
    buffer = Buffer(Silent(stime=3), 4096)
    with pytest.raises(DeadlineExceeded):
        buffer.pin("rdma", "rxe memory region")


def test_only_pins_are_expected_to_end():
    buffer = Buffer(Silent(stime=int(DEADLINE * 90)), 4096)
    with pytest.raises(DeadlineExceeded):
        buffer.fill(1)
