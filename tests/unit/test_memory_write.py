# SPDX-License-Identifier: Apache-2.0
"""What a write to sysfs tells, and what is made of an offline that it began."""

import signal

import pytest

from hotremove.errors import DeadlineExceeded, GuestLost, HotremoveError, NotApplicable
from hotremove.guest.control import Completed
from hotremove.memory.dimm import Dimm
from hotremove.memory.offline import Offline, SignalIgnored
from hotremove.memory.outcome import Outcome
from hotremove.memory.race import Pace, choose_start, have_met, pace_of
from hotremove.memory.removable import _end_of_offline
from hotremove.memory.write import parse_write
from hotremove.observe.counters import Counters
from hotremove.observe.pagemap import MemoryBlock, PfnRuns
from hotremove.observe.timeline import Timeline
from hotremove.plugin.rounds import Rounds
from hotremove.verdict.judge import judge
from hotremove.verdict.verdict import Verdict

BLOCK = MemoryBlock(32, PfnRuns.of([(0x100000, 0x8000)]), "online", ("Movable",), 1)
LISTING = "8000000\nmemory32/phys_index:00000020\n"
STATE = "memory32/state:{state}\n"
STAT = "9 (write_once) {letter} 1 9 9 0 -1 0 0 0 0 0 0 50 0 0 20 0 1 0 5 0 0"


def ended(text, ending="exit", status=0):
    return Completed("write_once", ending, status, text.encode(), b"")


def test_the_errno_is_what_the_program_tells():
    written = parse_write(ended("1.500000 3.250000 16\n", status=16))
    assert (written.error, written.span) == (16, (1.5, 3.25))
    assert str(written) == "EBUSY: Device or resource busy"
    assert str(parse_write(ended("1.5 1.6 0\n"))) == "it succeeded"


@pytest.mark.parametrize(("ending", "status"), [("signal", 9), ("exit", 127), ("exit", 4)])
def test_an_end_without_an_answer_says_nothing_of_the_kernel(ending, status):
    with pytest.raises(GuestLost, match=f"no answer of the kernel .{ending} {status}.:"):
        _end_of_offline(32, ended("", ending, status))


def test_how_an_offline_ended():
    assert _end_of_offline(32, None).outcome is Outcome.STUCK
    refused = _end_of_offline(32, ended("1.0 2.0 16\n", status=16))
    assert (refused.outcome, refused.remark) == (
        Outcome.REFUSED,
        "memory32: EBUSY: Device or resource busy",
    )
    assert _end_of_offline(32, ended("1.0 2.0 0\n")).span == (1.0, 2.0)


class Offlining:
    """A guest in which a block is being offlined."""

    pid = 9

    def __init__(self, done=None, letter="R", state="going-offline"):
        self.control = self.evidence = self
        self.timeline = Timeline()
        self.done = done
        self.letter = letter
        self.state = state
        self.signals = []

    def size(self):
        return 0

    def check(self):
        """It runs."""

    def start(self, command):
        return self

    def wait(self, job, seconds):
        return self.done

    def kill(self, job, number):
        self.signals.append(number)

    def list_blocks(self, folder):
        return LISTING + STATE.format(state=self.state)

    def read(self, path):
        return STAT.format(letter=self.letter) if path == "/proc/9/stat" else ""


def offlining(**how):
    return Offline(Offlining(**how), BLOCK, 1, Counters({}))


@pytest.mark.parametrize("letter", ["R", "D"])
def test_a_kernel_that_ignores_a_signal_fails(letter):
    offline = offlining(letter=letter)
    told = f"memory32 goes on 10 s after SIGTERM: pid 9 is in state {letter}"
    with pytest.raises(SignalIgnored, match=told) as caught:
        offline.terminate()
    assert offline.guest.signals == [signal.SIGTERM]
    assert judge(caught.value) is Verdict.FAIL


@pytest.mark.parametrize("how", [{"letter": "T"}, {"letter": "Z"}, {"state": "online"}])
def test_a_program_that_does_not_end_by_itself_says_nothing(how):
    with pytest.raises(DeadlineExceeded):
        offlining(**how).terminate()


def test_stuck_is_an_offline_that_the_kernel_is_at(monkeypatch):
    monkeypatch.setattr("hotremove.memory.offline.BEGINNING", 0.02)
    offlining().expect_stuck(after=0)
    with pytest.raises(GuestLost, match="memory32 is online: nobody has begun"):
        offlining(state="online").expect_stuck(after=0)
    with pytest.raises(AssertionError, match="under a pin ended: EBUSY"):
        offlining(done=ended("1.0 2.0 16\n", status=16)).expect_stuck(after=0)


def test_an_offline_may_take_a_while_to_begin():
    offline = offlining(state="online")
    offline.guest.check = lambda: setattr(offline.guest, "state", "going-offline")
    offline.expect_stuck(after=0)


def test_without_a_pinned_page_inside_there_is_no_block_to_offline():
    dimm = Dimm.__new__(Dimm)
    dimm.buffers, dimm.frames = [], BLOCK.frames
    with pytest.raises(NotApplicable, match="nothing is pinned"):
        dimm.start_offline_of_pinned_block()


@pytest.mark.parametrize(
    ("offline", "pin", "met"),
    [
        ((1.0, 2.0), (1.5, 3.0), True),
        ((1.0, 2.0), (1.2, 1.3), True),
        ((1.0, 2.0), (2.0, 3.0), False),
        ((1.0, 2.0), (0.2, 0.9), False),
        (None, (0.2, 0.9), True),
        ((1.0, 2.0), None, True),
    ],
)
def test_whether_two_met(offline, pin, met):
    assert have_met(offline, pin) is met


def test_who_is_second_begins_while_the_first_is_likely_to_be_at_it():
    pace = pace_of((1.0, 1.5), None, Pace())
    assert pace == Pace(offline=0.5, pin=0.02)
    rounds = Rounds(seed=1, count=200, name="race")
    starts = [choose_start(rng, pace) for rng in rounds]
    assert 50 < sum(start.offline_first for start in starts) < 150
    for start in starts:
        assert 0 <= start.lead <= (0.5 if start.offline_first else 0.02)
        assert sorted((start.before_pin, start.before_offline)) == [0, start.lead]


def run_rounds(count, *races):
    rounds = Rounds(seed=1, count=count, name="race")
    for number, _ in enumerate(rounds):
        rounds.note_race(number < len(races) and races[number])
    return rounds.count


def test_rounds_go_on_until_something_has_raced():
    assert run_rounds(2, False, True) == 2
    assert run_rounds(2, True, False) == 2
    assert run_rounds(2, False, False, False, True) == 4


def test_rounds_in_which_nothing_raced_are_no_look():
    with pytest.raises(HotremoveError, match="never under way at a time in 10 rounds"):
        run_rounds(2)
