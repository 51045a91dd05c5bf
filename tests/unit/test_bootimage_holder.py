# SPDX-License-Identifier: Apache-2.0
"""The holder on the host: memory, pages, pattern and the pins that need no device."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from hotremove.bootimage.workloads import build_workloads
from hotremove.cache import Cache

MIB = 1 << 20


@pytest.fixture(scope="session")
def program():
    return next(path for path in build_workloads(Cache.default()) if path.name == "holder")


class Holder:
    def __init__(self, program, *options):
        self.process = subprocess.Popen(
            [program, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.mapped = self.answer()

    def answer(self):
        return json.loads(self.process.stdout.readline())

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.answer()


@pytest.fixture
def hold(program):
    made = []

    def start(*options):
        made.append(Holder(program, *options))
        return made[-1]

    yield start
    for holder in made:
        holder.process.kill()
        holder.process.communicate()


@pytest.mark.parametrize("kind", ["anon", "thp", "shmem", "memfd"])
def test_nothing_is_touched_before_it_is_asked_for(hold, kind):
    holder = hold("--memory", kind, "--bytes", str(4 * MIB))
    assert holder.mapped["event"] == "mapped"
    assert holder.mapped["bytes"] == 4 * MIB
    assert holder.mapped["address"] % holder.mapped["page_bytes"] == 0
    pages = holder.ask("pages")
    assert (pages["present"], pages["absent"], pages["runs"]) == (0, 1024, [])
    assert holder.ask("fault") == {"event": "faulted"}
    assert holder.ask("pages")["present"] == 1024


def test_runs_cover_the_present_pages(hold):
    pages = hold("--bytes", str(MIB), "--faulted").ask("pages")
    assert sum(count for _, count in pages["runs"]) == pages["present"] == 256


def test_a_file(hold, tmp_path):
    path = tmp_path / "file"
    holder = hold("--memory", "file", "--file", str(path), "--bytes", str(MIB))
    holder.ask("fill 3")
    assert path.stat().st_size == MIB
    assert path.read_bytes() != bytes(MIB)


def test_pages_that_are_only_read_are_mapped(hold, tmp_path):
    path = tmp_path / "file"
    holder = hold("--memory", "file", "--file", str(path), "--bytes", str(MIB))
    assert holder.ask("pages")["present"] == 0
    assert holder.ask("touch") == {"event": "touched"}
    assert holder.ask("pages")["present"] == 256
    assert path.read_bytes() == bytes(MIB)


def test_a_file_that_is_only_read_is_faulted_in_without_writing(hold, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"content" + bytes(2 * MIB - 7))
    file = ("--memory", "file", "--file", str(path), "--bytes", str(2 * MIB))
    holder = hold(*file, "--read-only", "--faulted")
    assert holder.ask("pages")["present"] == 512
    assert path.read_bytes()[:7] == b"content"


def test_it_keeps_to_the_cpu_it_is_told(hold):
    holder = hold("--bytes", "4096", "--cpu", "0")
    assert os.sched_getaffinity(holder.process.pid) == {0}
    assert holder.ask("cpu 99999")["call"] == "sched_setaffinity"
    assert holder.ask("cpu none")["call"] == "command"
    last = max(os.sched_getaffinity(0))
    assert holder.ask(f"cpu {last}") == {"event": "moved"}
    assert os.sched_getaffinity(holder.process.pid) == {last}


def test_locked_pages_are_the_ones_that_were_there(hold):
    holder = hold("--memory", "memfd", "--bytes", str(8 * 4096), "--faulted")
    before = holder.ask("pages")
    assert holder.ask("lock") == {"event": "locked"}
    assert holder.ask("pages") == before
    status = Path(f"/proc/{holder.process.pid}/status").read_text()
    assert "VmLck:\t      32 kB" in status


def test_pages_keep_their_frames_and_data_when_they_are_mapped_elsewhere(hold):
    holder = hold("--bytes", str(MIB))
    holder.ask("fill 7")
    before = holder.ask("pages")
    assert holder.ask("remap") == {"event": "remapped"}
    assert holder.ask("pages") == before
    assert holder.ask("verify 7")["mismatches"] == 0


def test_locked_pages_stay_where_they_are(hold):
    holder = hold("--bytes", str(8 * 4096), "--faulted")
    before = holder.ask("pages")
    assert holder.ask("mlock") == {"event": "locked"}
    assert holder.ask("pages") == before
    status = Path(f"/proc/{holder.process.pid}/status").read_text()
    assert "VmLck:\t      32 kB" in status


def test_one_page_of_so_many_is_read(hold, tmp_path):
    holder = hold("--bytes", str(MIB))
    assert holder.ask("touch 8") == {"event": "touched"}
    assert holder.ask("pages")["present"] == 32
    assert holder.ask("touch none")["call"] == "command"


def test_a_part_is_given_back(hold):
    holder = hold("--bytes", str(MIB), "--faulted")
    assert holder.ask("advise dontneed offset=8192 bytes=4096") == {"event": "advised"}
    assert holder.ask("pages")["absent"] == 1
    assert holder.ask("advise dontneed offset=1048576")["call"] == "command"


def test_a_program_that_begins_anew_has_other_memory(hold):
    holder = hold("--bytes", str(MIB), "--faulted")
    anew = holder.ask("exec")
    assert (anew["event"], anew["pid"], anew["bytes"]) == ("mapped", holder.process.pid, 4096)
    assert holder.ask("pages")["present"] == 0


def test_memory_lives_on_in_another_process(hold):
    holder = hold("--bytes", str(MIB), "--faulted")
    other = holder.ask("share-mm")["pid"]
    holder.process.kill()
    holder.process.wait()
    assert "VmRSS" in Path(f"/proc/{other}/status").read_text()
    os.kill(other, signal.SIGKILL)


def test_whom_memory_is_left_to_is_out_of_the_group_once_it_is_told(hold):
    holder = hold("--bytes", str(MIB), "--faulted")
    for _ in range(20):  # else who kills the group kills it too, as chance has it
        other = holder.ask("share-mm")["pid"]
        session = os.getsid(other)
        os.kill(other, signal.SIGKILL)
        assert session == other


def test_pattern(hold):
    holder = hold("--bytes", str(MIB))
    assert holder.ask("fill 7") == {"event": "filled"}
    assert holder.ask("verify 7") == {"event": "verified", "mismatches": 0}
    assert holder.ask("verify 8")["mismatches"] > MIB // 2
    assert holder.ask("fill 8 offset=4096 bytes=64") == {"event": "filled"}
    assert holder.ask("verify 8 offset=4096 bytes=64")["mismatches"] == 0
    assert holder.ask("verify 7 bytes=4096")["mismatches"] == 0
    assert holder.ask("verify 7 offset=4160")["mismatches"] == 0
    assert 50 < holder.ask("verify 7")["mismatches"] <= 64


def test_vmsplice_counts_what_it_holds(hold):
    holder = hold("--bytes", str(4 * MIB), "--faulted")
    pinned = holder.ask(f"pin vmsplice offset={MIB} bytes={2 * MIB}")
    assert (pinned["event"], pinned["bytes"], pinned["calls"]) == ("pinned", 2 * MIB, 2)
    assert holder.ask("unpin")["event"] == "unpinned"


@pytest.mark.parametrize(
    ("command", "call"),
    [
        ("pin", "command"),
        ("pin nothing", "command"),
        ("pin rdma colour=red", "command"),
        ("pin rdma offset=1", "command"),
        (f"pin rdma offset={64 * MIB}", "command"),
        (f"pin vmsplice bytes={64 * MIB}", "command"),
        ("pin rdma bytes=-4096", "command"),
        ("fill", "command"),
        ("report", "command"),
        ("rubbish", "command"),
        ("advise well", "no such advice"),
        ("dma-fill 1", "command"),
        ("dma-verify 1", "command"),
        ("child pages", "command"),
        ("reap", "command"),
        ("pin rdma device=none", "ibv_open_device"),
        ("pin udmabuf", "udmabuf needs --memory memfd"),
        ("pin v4l2 device=/nothing", "open of a video device"),
        ("pin v4l2 device=/dev/null", "VIDIOC_G_FMT"),
        ("device", "command"),
        ("device shared", "command"),
    ],
)
def test_what_fails_is_told_and_survived(hold, command, call):
    holder = hold("--bytes", str(MIB))
    answer = holder.ask(command)
    assert (answer["event"], answer["call"]) == ("error", call)
    assert answer["errno"] > 0
    assert holder.ask("pages")["event"] == "pages"


def test_a_child_shares_what_fork_shares(hold):
    holder = hold("--bytes", str(MIB))
    holder.ask("fill 1")
    assert holder.ask("fork")["event"] == "forked"
    assert holder.ask("child verify 1")["mismatches"] == 0
    assert holder.ask("child fill 2") == {"event": "filled"}
    assert holder.ask("verify 1")["mismatches"] == 0
    assert holder.ask("fork")["event"] == "error"
    assert holder.ask("reap") == {"event": "reaped", "status": 0}
    holder.ask("advise dontfork")
    holder.ask("fork")
    assert holder.ask("child verify 1")["event"] == "error"
    assert holder.ask("reap")["status"] == 11


def test_advice(hold):
    holder = hold("--bytes", str(MIB), "--faulted")
    assert holder.ask("advise dontneed") == {"event": "advised"}
    assert holder.ask("pages")["present"] == 0


def test_quit_and_end_of_input(hold):
    holder = hold("--bytes", "4096")
    holder.process.communicate("quit\n")
    assert holder.process.returncode == 0
    holder = hold("--bytes", "4096")
    holder.process.communicate()
    assert holder.process.returncode == 0


@pytest.mark.parametrize(
    "options",
    [
        ["--bytes", "5"],
        ["--bytes", "0"],
        ["--bytes", "x"],
        [],
        ["--memory", "gold", "--bytes", "4096"],
        ["--bytes", "4096", "rest"],
        ["--bytes", "4096", "--node", "x"],
        ["--memory", "thp", "--bytes", "4096"],
        ["--memory", "file", "--bytes", "4096"],
        ["--colour"],
    ],
)
def test_wrong_options_end_it_with_one_line(program, options):
    done = subprocess.run([program, *options], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_memory_that_cannot_be_had(program):
    command = [program, "--bytes", "4096", "--node", "700"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert json.loads(done.stdout)["call"] == "mbind"


def test_each_page_has_a_mark_until_something_else_is_written(hold):
    holder = hold("--memory", "memfd", "--bytes", str(4 * MIB), "--faulted")
    assert holder.ask("marks") == {"event": "marks", "pages": 1024, "missing": 0, "first": 0}
    with Path(f"/proc/{holder.mapped['pid']}/mem").open("r+b", buffering=0) as memory:
        memory.seek(holder.mapped["address"] + 5 * 4096)
        memory.write(bytes(2 * 4096))
    assert holder.ask("marks") == {"event": "marks", "pages": 1024, "missing": 2, "first": 20480}
    holder.ask("fault")
    assert holder.ask("marks")["missing"] == 0
    for command in ("fill 1 bytes=8", "advise dontneed"):
        holder.ask("fault")
        holder.ask(command)
        assert holder.ask("marks") == {"event": "marks", "pages": 0, "missing": 0, "first": 0}


def test_marks_of_holders_that_share_a_file_are_alike(hold, tmp_path):
    words = ("--memory", "file", "--file", str(tmp_path / "shared"), "--bytes", str(MIB))
    one, other = hold(*words, "--faulted"), hold(*words, "--faulted")
    assert one.ask("marks") == other.ask("marks")
    assert one.ask("marks")["missing"] == 0


@pytest.mark.parametrize("batch", ["", " batch=4096"])
def test_words_go_both_ways_through_registered_buffers(hold, batch):
    holder = hold("--memory", "anon", "--bytes", str(MIB), "--faulted")
    if holder.ask(f"pin uring{batch}")["event"] == "error":
        pytest.skip("no io_uring on this machine")
    assert holder.ask("exchange") == {"event": "exchanged", "pins": [["uring", 16, 0, 0, 0]]}
    assert holder.ask("marks")["missing"] == 0  # what was exchanged is put back
    holder.ask("dma-fill 7 offset=4096 bytes=64")
    assert holder.ask("verify 7 offset=4096 bytes=64")["mismatches"] == 0


def test_a_pin_that_lost_its_pages_reads_and_writes_others(hold):
    holder = hold("--memory", "anon", "--bytes", str(MIB), "--faulted")
    if holder.ask("pin uring")["event"] == "error":
        pytest.skip("no io_uring on this machine")
    holder.ask("advise dontneed")
    holder.ask("fill 1")
    assert holder.ask("exchange")["pins"] == [["uring", 16, 32, 16, 0]]


def test_a_pin_for_reading_is_only_read(hold):
    holder = hold("--memory", "anon", "--bytes", str(MIB), "--faulted", "--read-only")
    if holder.ask("pin uring")["event"] == "error":
        pytest.skip("no io_uring on this machine")
    holder.ask("advise dontneed")
    holder.ask("fill 1")
    assert holder.ask("exchange")["pins"] == [["uring", 16, 16, 0, 0]]
