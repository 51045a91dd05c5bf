# SPDX-License-Identifier: Apache-2.0
"""Memory is given to guests in portions, and not twice."""

import subprocess
import sys

import pytest

from hotremove.session.memory_budget import MemoryBudget

# Takes so many MiB of three portions, says so, and holds them until its input ends.
_WORKER = """
import sys
from pathlib import Path
from hotremove.session.memory_budget import MemoryBudget

with MemoryBudget(Path(sys.argv[1]), 3, 2048).take(int(sys.argv[2])):
    print("has", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def worker(tmp_path):
    started = []

    def start(mib: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", _WORKER, str(tmp_path), str(mib)]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_large_guest_waits_until_small_ones_are_gone(worker):
    small = [worker(2048), worker(2000)]
    assert [process.stdout.readline() for process in small] == ["has\n"] * 2
    large = worker(6100)
    assert "waiting for memory" in large.stderr.readline()
    small[0].communicate("")
    assert large.poll() is None
    small[1].kill()  # what a dead worker held is free
    assert large.stdout.readline() == "has\n"


def test_who_waits_for_more_is_not_overtaken(worker):
    first = worker(2048)
    assert first.stdout.readline() == "has\n"
    large = worker(6144)
    assert "waiting for memory" in large.stderr.readline()
    small = worker(1)
    assert "waiting for memory" in small.stderr.readline()
    first.communicate("")
    assert large.stdout.readline() == "has\n"
    assert small.poll() is None
    large.communicate("")
    assert small.stdout.readline() == "has\n"


def test_a_guest_that_is_larger_than_all_there_is_gets_all(worker):
    assert worker(1 << 20).stdout.readline() == "has\n"


def test_a_process_waits_for_none_of_its_own(tmp_path):
    budget = MemoryBudget(tmp_path, 1, 2048)
    with budget.take(2048), budget.take(2048):
        pass
    with budget.take(2048):
        pass


def test_where_nothing_is_shared_nothing_is_asked_for(tmp_path, worker):
    """Neither while another waits, and has the turn."""
    assert worker(6144).stdout.readline() == "has\n"
    waiter = worker(2048)
    assert "waiting for memory" in waiter.stderr.readline()
    with MemoryBudget(tmp_path, 0, 2048).take(1 << 20):
        pass
