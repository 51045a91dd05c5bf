# SPDX-License-Identifier: Apache-2.0
"""The control channel against an agent that this test plays, byte by byte."""

import errno
import socket
import threading
import time

import pytest

from hotremove.errors import DeadlineExceeded, GuestDied, GuestLost
from hotremove.guest import control as control_module
from hotremove.guest.control import Control
from hotremove.virt.clock import CLOCK


class Patient:
    """A guest whose life and console the test decides on."""

    def __init__(self):
        self.death = None
        self.console = ""

    def check(self):
        if self.death:
            raise self.death

    def spread(self):
        pass

    def lost(self, complaint):
        return GuestDied(f"{self.console} ({complaint})") if self.console else GuestLost(complaint)


class Agent(threading.Thread):
    """Answers pings, and each other request with what `script` holds for its words."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.script = {}
        self.heard = []
        self.silent = False
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        self.start()

    def run(self):
        self._peer, _ = self._server.accept()
        self._server.close()
        self._peer.sendall(b"0 ready 1 6.1.0\n")
        try:
            with self._peer, self._peer.makefile("rb") as lines:
                for line in lines:
                    self._answer(line, lines)
        except OSError:
            pass  # the host hung up first

    def _answer(self, line, lines):
        number, _, words = line.rstrip(b"\n").partition(b" ")
        verb = words.split(b" ")[0].decode()
        if verb in ("write", "entropy", "input"):
            self.heard.append(lines.read(int(words.split(b" ")[-1])))
        if not number or self.silent:
            return
        if verb == "ping":
            self._peer.sendall(b"%s exit 0\n" % number)
        for piece in self.script.get(verb, ()):
            self._peer.sendall(piece.replace(b"ID", number))
            time.sleep(0.02)

    def hang_up(self):
        self._peer.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def patient():
    return Patient()


@pytest.fixture
def agent(tmp_path):
    playing = Agent(tmp_path / "control.sock")
    yield playing
    playing.join(5)
    assert not playing.is_alive()


@pytest.fixture
def control(tmp_path, agent, patient):
    channel = Control(tmp_path / "control.sock", patient)
    channel.connect(5)
    yield channel
    channel.close()


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(control_module, "GRACE", 1.0)
    monkeypatch.setattr(control_module, "_QUIET", 0.2)
    monkeypatch.setattr(control_module, "_SLICE", 0.05)


def test_exact_results_of_a_command(control, agent):
    agent.script["run"] = [b"ID out 3\nyes", b"ID err 2\nno", b"ID exit 7\n"]
    done = control.run("anything")
    assert (done.stdout, done.stderr, done.ending, done.status) == (b"yes", b"no", "exit", 7)
    assert not done.ok


@pytest.mark.parametrize("cut", range(1, 24))
def test_frames_cut_anywhere(control, agent, cut):
    whole = b"2 out 5\na\nb\0c2 exit 0\n"  # 1 was the ping
    agent.script["run"] = [whole[:cut], whole[cut:]]
    assert control.run("anything").stdout == b"a\nb\0c"


def test_output_that_looks_like_frames_is_output(control, agent):
    fake = b"1 exit 0\n2 out 99\n"
    agent.script["run"] = [b"ID out %d\n" % len(fake) + fake, b"ID exit 0\n"]
    assert control.run("anything").stdout == fake


def test_megabytes_in_many_frames(control, agent):
    piece = bytes(range(256)) * 128
    frame = b"ID out %d\n" % len(piece)
    agent.script["run"] = [b"".join(frame.replace(b"ID", b"2") + piece for _ in range(64))]
    agent.script["run"].append(b"ID exit 0\n")
    assert control.run("anything").stdout == piece * 64


def test_two_jobs_at_once_get_their_own_output(control, agent):
    agent.script["start"] = [b"ID pid 40\n"]
    first, second = control.start("one"), control.start("two")
    for number, text in ((second.number, b"B"), (first.number, b"A")):
        agent._peer.sendall(b"%d out 1\n%s%d exit 0\n" % (number, text, number))
    assert control.wait(second, 5).stdout == b"B"
    assert control.wait(first, 5).stdout == b"A"


def test_what_was_answered_to_nobody_is_dropped(control, agent):
    agent.script["run"] = [b"999 out 4\nlate999 exit 0\n", b"ID out 1\nx", b"ID exit 0\n"]
    assert control.run("anything").stdout == b"x"


def test_errno_of_reading_and_writing(control, agent):
    agent.script["read"] = [b"ID exit %d\n" % errno.ENOENT]
    agent.script["write"] = [b"ID exit %d\n" % errno.EBUSY]
    with pytest.raises(FileNotFoundError, match="/no/such"):
        control.read("/no/such")
    with pytest.raises(OSError, match="busy"):
        control.write("/sys/state", "offline")
    assert agent.heard == [b"offline"]


def test_a_deadline_in_the_guest(control, agent):
    agent.script["run"] = [b"ID deadline\n"]
    assert control.run("anything", 3).ending == "deadline"
    with pytest.raises(DeadlineExceeded, match="did not end within 3 s"):
        control.check("anything", 3)


def test_a_request_that_is_not_understood(control, agent):
    agent.script["run"] = [b"ID error what?\n"]
    with pytest.raises(ValueError, match=r"refused .*: what"):
        control.run("anything")


@pytest.mark.parametrize("command", ["two\nlines", "nul\0"])
def test_a_command_is_one_line(control, command):
    with pytest.raises(ValueError, match="one line"):
        control.run(command)


def test_another_protocol_is_no_agent(tmp_path, patient):
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "control.sock"))
    server.listen()
    channel = Control(tmp_path / "control.sock", patient)

    def greet():
        peer, _ = server.accept()
        with peer:
            peer.sendall(b"0 ready 9 7.0\n")
            while peer.recv(100):
                pass

    answer = threading.Thread(target=greet)
    answer.start()
    with pytest.raises(GuestLost, match="protocol 9, not 1"):
        channel.connect(5)
    channel.close()
    answer.join()
    server.close()


def test_nobody_there(monkeypatch, tmp_path, patient):
    monkeypatch.setattr(control_module, "_END", 0.3)
    channel = Control(tmp_path / "control.sock", patient)
    with pytest.raises(GuestLost, match="no control channel: No such file"):
        channel.connect(5)
    channel.close()


def test_a_silent_agent_is_lost_long_before_the_commands_deadline(hasty, control, agent):
    agent.silent = True
    start = time.monotonic()
    with pytest.raises(GuestLost, match=r"silent for 1 s|no answer"):
        control.run("anything", 0.5)
    assert time.monotonic() - start < 5
    with pytest.raises(GuestLost):
        control.ping()


def test_a_busy_job_with_a_live_agent_is_waited_for(hasty, control, agent):
    agent.script["start"] = [b"ID pid 40\n"]
    job = control.start("anything")
    assert control.wait(job, 2.5) is None
    assert job.running


def test_a_silent_agent_of_a_dead_kernel_is_not_waited_for(hasty, control, agent, patient):
    agent.silent = True
    patient.console = "Kernel panic"
    start = time.monotonic()
    with pytest.raises(GuestDied, match="Kernel panic"):
        control.run("anything", 60)
    assert time.monotonic() - start < 5


def test_a_guest_that_ends_meanwhile(control, agent, patient):
    patient.death = GuestDied("it panicked")
    agent.hang_up()
    with pytest.raises(GuestDied, match="it panicked"):
        control.run("anything")


def test_an_end_that_is_known_later_than_the_channels_is_told_all_the_same(control, agent, patient):
    agent.silent = True
    dying = threading.Timer(1.5, setattr, (patient, "death", GuestDied("it panicked")))
    dying.start()
    agent.hang_up()
    with pytest.raises(GuestDied, match="it panicked"):
        control.run("anything")
    dying.join()


def test_a_closed_channel_of_a_guest_that_lives(monkeypatch, control, agent):
    monkeypatch.setattr(control_module, "_END", 0.3)
    agent.hang_up()
    with pytest.raises(GuestLost, match="the control channel"):
        control.run("anything")


def test_nothing_times_out_while_the_clock_stands_still(hasty, control, agent):
    agent.silent = True
    CLOCK.stop()
    try:
        answer = threading.Timer(2, agent._peer.sendall, (b"2 out 1\nx2 exit 0\n",))
        answer.start()
        assert control.run("anything", 0.1).stdout == b"x"
    finally:
        CLOCK.go_on()
