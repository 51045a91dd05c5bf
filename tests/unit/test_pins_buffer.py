# SPDX-License-Identifier: Apache-2.0
"""What is made of a holder that does not answer."""

import pytest

from hotremove.errors import DeadlineExceeded, GuestLost, HotremoveError, NotApplicable
from hotremove.guest.control import Completed
from hotremove.guest.patience import Patience
from hotremove.observe.timeline import Timeline
from hotremove.pins.buffer import Buffer
from hotremove.pins.holder import HolderStuck, PinHangs, PinRefused
from hotremove.pins.take import take_pin
from hotremove.verdict.judge import judge
from hotremove.verdict.verdict import Verdict

MAPPED = b'{"event": "mapped", "pid": 7, "address": 0, "bytes": 4096, "page_bytes": 4096}'
STAT = "7 (holder) {letter} 1 7 7 0 -1 4194304 100 0 0 0 3 {stime} 0 0 20 0 1 0 5 0 0"
STACK = """\
[<0>] folio_wait_bit_common+0x13d/0x350
[<0>] migrate_pages_batch+0x4a1/0xcf0
"""
KILLED = "Out of memory: Killed process {pid} (holder) total-vm:1048576kB"


class Silent:
    """A guest whose holder maps memory and says no more."""

    running = True
    node = None
    patience = Patience()

    def __init__(self, stime=0, letter="R", log=""):
        self.control = self
        self.timeline = Timeline()
        self.holders = []
        self.answers = [MAPPED]
        self.stat = STAT.format(stime=stime, letter=letter)
        self.log = log

    def dmesg(self):
        return self.log

    def completed(self):
        return Completed("holder", "signal", 9, b"", b"")

    def start(self, command):
        return self

    def send(self, job, line):
        pass

    def read_line(self, job, deadline):
        return self.answers.pop() if self.answers else None

    def read(self, path):
        return {"/proc/7/stat": self.stat, "/proc/7/stack": STACK}.get(path, "")

    def read_all(self, paths):
        return ["" for _ in paths]


def test_a_pin_that_burns_the_cpu_in_the_kernel_is_the_kernels_failure():
    buffer = Buffer(Silent(stime=int(Patience().holder * 90)), 4096)
    with pytest.raises(PinHangs, match="`pin rdma` goes on after 120 s, in the kernel") as told:
        take_pin(buffer, "rdma", "rxe memory region")
    assert judge(told.value) is Verdict.FAIL


def test_a_pin_is_given_less_time_where_it_is_expected_to_be_endless():
    guest = Silent(stime=1100)
    guest.patience = Patience(holder=20)
    with pytest.raises(PinHangs, match="`pin rdma` goes on after 20 s, in the kernel all the"):
        take_pin(Buffer(guest, 4096), "rdma", "rxe memory region")


def test_a_pin_that_does_nothing_says_nothing_of_the_kernel():
    buffer = Buffer(Silent(stime=3), 4096)
    with pytest.raises(DeadlineExceeded):
        take_pin(buffer, "rdma", "rxe memory region")


def test_only_pins_are_expected_to_end():
    buffer = Buffer(Silent(stime=int(Patience().holder * 90)), 4096)
    with pytest.raises(DeadlineExceeded):
        buffer.fill(1)


@pytest.mark.parametrize(
    "ask", [lambda buffer: take_pin(buffer, "rdma", "x"), Buffer.unpin, Buffer.fault]
)
def test_a_holder_that_no_signal_reaches_is_the_kernels_failure(ask):
    buffer = Buffer(Silent(letter="D"), 4096)
    stuck = r"state D after 120 s in folio_wait_bit_common < migrate_pages_batch: pid 7"
    with pytest.raises(HolderStuck, match=stuck) as told:
        ask(buffer)
    assert judge(told.value) is Verdict.FAIL


def test_only_its_own_death_for_want_of_memory_refuses_a_pin():
    for log, error in ((KILLED.format(pid=7), PinRefused), (KILLED.format(pid=70), GuestLost)):
        guest = Silent(log=log)
        buffer = Buffer(guest, 4096)
        guest.running = False
        with pytest.raises(error):
            take_pin(buffer, "rdma", "rxe memory region")


def test_a_holder_that_ended_holds_nothing():
    guest = Silent()
    buffer = Buffer(guest, 4096)
    buffer.require_running()
    guest.running = False
    with pytest.raises(GuestLost, match="the holder ended"):
        buffer.require_running()


class Locking(Silent):
    """A guest in which pages are locked, with these flags afterwards."""

    def __init__(self, *flags):
        super().__init__()
        self.flags = iter(flags)

    def read_line(self, job, deadline):
        if self.answers:
            return self.answers.pop()
        return f'{{"event": "any", "runs": [[{next(self.flags)}, 1]]}}'.encode()


WAITING, DONE, NEW, UNLOCKED = 8589953144, 8590215224, 8589953052, 18556


def test_pages_are_locked_again_until_they_wait():
    Buffer(Locking(0, 0, 0, DONE, 0, 0, 0, WAITING), 4096).lock_and_move(0, 1)


@pytest.mark.parametrize(
    ("flags", "error", "told"),
    [
        (DONE, NotApplicable, "by 10 tries: 1 of 1 are locked"),
        (UNLOCKED, NotApplicable, "by 10 tries: 0 of 1 are locked"),
        (NEW, HotremoveError, "on no LRU list"),
    ],
)
def test_pages_that_never_wait(flags, error, told):
    with pytest.raises(error, match=told) as caught:
        Buffer(Locking(*[flags] * 40), 4096).lock_and_move(0, 1)
    assert type(caught.value) is error
