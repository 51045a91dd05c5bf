# SPDX-License-Identifier: Apache-2.0
"""The agent, compiled as for a guest and spoken to over a terminal on the host."""

import os
import pty
import select
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hotremove.bootimage.workloads import build_workloads
from hotremove.cache import Cache
from hotremove.guest.memory_blocks import SYSFS, parse_listing

DEADLINE = 20


@pytest.fixture(scope="session")
def programs():
    return {path.name: path for path in build_workloads(Cache.default())}


@dataclass
class Channel:
    fd: int
    buffer: bytes = b""
    ids: int = field(default=0)

    def send(self, data):
        data = data.encode() if isinstance(data, str) else data
        while data:
            data = data[os.write(self.fd, data) :]

    def fill(self):
        ready, _, _ = select.select([self.fd], [], [], DEADLINE)
        assert ready, f"the agent is silent; unread: {self.buffer[:200]!r}"
        self.buffer += os.read(self.fd, 65536)

    def line(self):
        while b"\n" not in self.buffer:
            self.fill()
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode()

    def take(self, length):
        while len(self.buffer) < length:
            self.fill()
        taken, self.buffer = self.buffer[:length], self.buffer[length:]
        return taken

    def frame(self):
        words = self.line().split(" ", 2)
        if words[1] in ("out", "err"):
            return int(words[0]), words[1], self.take(int(words[2]))
        return int(words[0]), *words[1:]

    def ask(self, request, body=b""):
        """The frames that answer one request, up to the last."""
        self.ids += 1
        self.send(f"{self.ids} {request}\n".encode() + body)
        frames = []
        while not frames or frames[-1][0] not in ("exit", "signal", "deadline", "error"):
            number, *rest = self.frame()
            assert number == self.ids
            frames.append(tuple(rest))
        return frames


def joined(frames, kind="out"):
    return b"".join(frame[1] for frame in frames if frame[0] == kind)


@pytest.fixture
def channel(programs):
    host, guest = pty.openpty()
    agent = subprocess.Popen([programs["agent"], os.ttyname(guest)])
    channel = Channel(host)
    assert channel.line() == f"0 ready 1 {os.uname().release}"
    yield channel
    agent.kill()
    agent.wait()
    os.close(host)
    os.close(guest)


def test_ping(channel):
    assert channel.ask("ping") == [("exit", "0")]


def test_streams_and_status(channel):
    frames = channel.ask("run 9 printf 'a\\0b'; echo c >&2; exit 7")
    assert (joined(frames), joined(frames, "err"), frames[-1]) == (b"a\0b", b"c\n", ("exit", "7"))


def test_stdin_of_run_is_empty(channel):
    assert channel.ask("run 9 cat") == [("exit", "0")]


def test_signal(channel):
    assert channel.ask("run 9 kill -11 $$") == [("signal", "11")]


def is_running(text):
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if text in entry.read_bytes().replace(b"\0", b" ").decode(errors="replace"):
                return True
    return False


def test_deadline_kills_the_group(channel):
    start = time.monotonic()
    sleep = f"sleep 60.{os.getpid()}"
    frames = channel.ask(f"run 0.3 echo one; {sleep} & {sleep}")
    assert (joined(frames), frames[-1]) == (b"one\n", ("deadline",))
    assert 0.3 <= time.monotonic() - start < DEADLINE
    while is_running(sleep):
        assert time.monotonic() - start < DEADLINE
        time.sleep(0.05)


def test_a_child_in_the_background_does_not_hold_up_the_end(channel):
    frames = channel.ask("run 9 sleep 2 & echo gone")
    assert frames == [("out", b"gone\n"), ("exit", "0")]


def test_large_output(channel):
    frames = channel.ask("run 60 head -c 10000000 /dev/zero; exit 3")
    assert len(joined(frames)) == 10_000_000
    assert frames[-1] == ("exit", "3")


def test_output_waits_for_a_slow_host(channel):
    channel.send("1 run 60 seq 400000\n")
    time.sleep(0.5)
    channel.send("2 ping\n")
    received = b""
    pong_at = end = None
    while end is None:
        number, kind, value = channel.frame()
        if number == 2:
            pong_at = len(received)
        elif kind == "out":
            received += value
        else:
            end = value
    assert received == b"".join(b"%d\n" % n for n in range(1, 400001))
    assert pong_at is not None
    assert end == "0"


def test_a_request_is_taken_amid_floods_of_output(channel):
    """It waits for what is queued (256 KiB), not for the jobs to end."""
    floods = range(1, 5)
    for number in floods:
        channel.send(f"{number} run 60 head -c 2000000 /dev/zero\n")
    time.sleep(0.5)
    channel.send("9 ping\n")
    received, pong_at, ended = 0, None, set()
    while len(ended) < len(floods):
        number, kind, value = channel.frame()
        if number == 9:
            pong_at = received
        elif kind == "out":
            received += len(value)
        else:
            ended.add(number)
    assert received == 2_000_000 * len(floods)
    assert pong_at is not None
    assert pong_at < 1_000_000


def test_jobs_side_by_side(channel):
    channel.send("10 run 9 sleep 0.5; echo slow\n11 run 9 echo fast\n")
    order = []
    while len(order) < 2:
        frame = channel.frame()
        if frame[1] == "exit":
            order.append(frame[0])
    assert order == [11, 10]


def test_background_job_with_stdin(channel):
    channel.send("5 start cat; echo end\n")
    assert channel.frame()[:2] == (5, "pid")
    channel.send(b"5 input 4\na\nb\0")
    assert channel.frame() == (5, "out", b"a\nb\0")
    channel.send("5 eof\n")
    assert channel.frame() == (5, "out", b"end\n")
    assert channel.frame() == (5, "exit", "0")


def test_input_larger_than_a_pipe_does_not_block_the_agent(channel):
    channel.send("5 start sleep 0.5; wc -c\n")
    channel.frame()
    channel.send(b"5 input 1000000\n" + bytes(1_000_000) + b"5 eof\n")
    assert channel.ask("ping") == [("exit", "0")]
    assert channel.frame() == (5, "out", b"1000000\n")


def test_kill(channel):
    channel.send("5 start sleep 60\n")
    channel.frame()
    channel.send("5 kill 15\n")
    assert channel.frame() == (5, "signal", "15")
    channel.send("5 kill 15\n5 eof\n5 input 1\nx")
    assert channel.ask("ping") == [("exit", "0")]


def test_files(channel, tmp_path):
    path = tmp_path / "a file"
    assert channel.ask(f"write {path} 5", b"a\nb\0c") == [("exit", "0")]
    assert path.read_bytes() == b"a\nb\0c"
    assert channel.ask(f"read {path}") == [("out", b"a\nb\0c"), ("exit", "0")]
    assert channel.ask("read /nowhere") == [("exit", "2")]
    assert channel.ask("read /proc") == [("exit", "21")]
    assert channel.ask("write /sys/nowhere 1", b"x") == [("exit", "2")]
    assert channel.ask(f"write {path} 0") == [("exit", "0")]
    assert path.read_bytes() == b""


def test_reading_a_large_file(channel, tmp_path):
    path = tmp_path / "large"
    path.write_bytes(os.urandom(3_000_000))
    frames = channel.ask(f"read {path}")
    assert joined(frames) == path.read_bytes()
    assert frames[-1] == ("exit", "0")


def make_block(root, number, state):
    block = root / f"memory{number}"
    block.mkdir()
    (block / "phys_index").write_text(f"{number:08x}\n")
    (block / "state").write_text(f"{state}\n")
    (block / "valid_zones").write_text("Movable\n")
    (block / f"node{number % 2}").symlink_to(root)


def listed(channel, folder):
    *frames, ending = channel.ask(f"blocks {folder}")
    return joined(frames).decode(), ending


def test_the_zone_of_a_block_that_is_not_online_is_not_read(channel, tmp_path):
    """A kernel in which the block is just being added dies of that."""
    (tmp_path / "block_size_bytes").write_text("8000000\n")
    for number, state in enumerate(("online", "offline", "going-offline", "online")):
        make_block(tmp_path, number, state)
    text, ending = listed(channel, tmp_path)
    found = {block.index: (block.zones, block.node) for block in parse_listing(text)}
    assert found == {0: (("Movable",), 0), 1: ((), 1), 2: ((), 0), 3: (("Movable",), 1)}
    assert ending == ("exit", "0")


def test_blocks_that_go_meanwhile_and_what_else_there_is_are_left_out(channel, tmp_path):
    (tmp_path / "block_size_bytes").write_text("8000000\n")
    (tmp_path / "memory7").mkdir()
    (tmp_path / "memory_failure_stats").mkdir()
    (tmp_path / "probe").write_text("")
    make_block(tmp_path, 300, "online")
    text, _ = listed(channel, tmp_path)
    assert [block.index for block in parse_listing(text)] == [300]
    assert "memory_failure" not in text


def test_more_blocks_than_a_frame_has_room_for(channel, tmp_path):
    (tmp_path / "block_size_bytes").write_text("8000000\n")
    for number in range(1000):
        make_block(tmp_path, number, "online")
    text, _ = listed(channel, tmp_path)
    assert len(text) > 32704
    assert len(parse_listing(text)) == 1000


def test_a_machine_without_blocks(channel, tmp_path):
    assert listed(channel, tmp_path) == ("", ("exit", "0"))
    assert listed(channel, tmp_path / "nowhere") == ("", ("exit", "2"))


def test_this_machines_own_blocks_if_it_has_some(channel):
    text, _ = listed(channel, SYSFS)
    indexes = {int(path.name[6:]) for path in Path(SYSFS).glob("memory[0-9]*")}
    if indexes:
        assert {block.index for block in parse_listing(text)} == indexes
    else:
        assert text == ""


@pytest.mark.parametrize(
    "request_line",
    [
        "bogus",
        "run",
        "run x true",
        "run -1 true",
        "run nan true",
        "run 5",
        "start",
        "input x",
        "write /tmp/x",
        "write /tmp/x 99999999999999",
        "kill x",
        "clock 1",
        "clock 1 1000000000",
        "entropy -1",
        "",
    ],
)
def test_misunderstood(channel, request_line):
    assert channel.ask(request_line)[-1][0] == "error"
    assert channel.ask("ping") == [("exit", "0")]


def test_lines_that_are_no_requests(channel):
    channel.send("\n\nrubbish\r\n")
    assert channel.frame()[:2] == (0, "error")
    channel.send("x" * 100_000 + "\n")
    assert channel.frame()[:2] == (0, "error")
    channel.send("help\n")
    assert channel.line().startswith("hotremove guest agent")


def test_an_id_in_use_is_refused(channel):
    channel.send("5 start sleep 60\n5 run 1 true\n")
    assert channel.frame()[:2] == (5, "pid")
    assert channel.frame() == (5, "error", "this id is in use")


def test_too_many_jobs_are_refused(channel):
    channel.send("".join(f"{n} start cat\n" for n in range(1, 300)))
    kinds = [channel.frame()[1] for _ in range(1, 300)]
    assert (kinds.count("pid"), kinds.count("error")) == (256, 43)
