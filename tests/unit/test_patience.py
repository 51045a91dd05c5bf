# SPDX-License-Identifier: Apache-2.0
"""Whoever waits for others says so, and does not wait for ever."""

import subprocess
import sys
import time

import pytest
from filelock import FileLock

from hotremove import patience
from hotremove.cache import Cache
from hotremove.errors import HostProblem
from hotremove.patience import Stopwatch
from hotremove.remote import slots
from hotremove.remote.hosts import Host
from hotremove.session.memory_budget import MemoryBudget
from hotremove.session.options import Options

# Holds a file's lock and says so, until its input ends.
_HOLDER = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("has", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def little_patience(monkeypatch):
    monkeypatch.setattr(patience, "LIMIT", 0.5)


@pytest.fixture
def held():
    """Have another process hold a lock."""
    holders = []

    def hold(file):
        command = [sys.executable, "-c", _HOLDER, str(file)]
        pipe = subprocess.PIPE
        holder = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        holders.append(holder)
        assert holder.stdout.readline() == "has\n"
        return holder

    yield hold
    for holder in holders:
        holder.kill()
        holder.communicate()


def test_a_lock_of_the_cache(tmp_path, held, capsys):
    cache = Cache(tmp_path)
    file = cache.directory("locks") / "kernels-key.lock"
    held(file)
    with pytest.raises(HostProblem) as told, cache.lock("kernels", "key"):
        pass
    assert str(told.value) == (
        "waiting for another run, which is making one of the cache's kernels: given up after "
        f"0.5 s; `fuser {file}` names its process, to look at or to end"
    )
    assert "waiting for another run" in capsys.readouterr().err


def test_a_lock_whose_holder_ends_in_time(tmp_path, held, monkeypatch):
    monkeypatch.setattr(patience, "LIMIT", 30.0)
    cache = Cache(tmp_path)
    holder = held(cache.directory("locks") / "kernels-key.lock")
    holder.kill()
    with cache.lock("kernels", "key"):
        pass


def test_memory_that_others_have(tmp_path, held):
    held(tmp_path / "memory-0.lock")
    budget = MemoryBudget(tmp_path, 1, 2048)
    told = "memory that other workers' guests have: given up"
    with pytest.raises(HostProblem, match=told), budget.take(2048):
        pass
    # Nor does who has given up hold up the others.
    assert FileLock(tmp_path / "memory-turn.lock").acquire(timeout=0)


def test_slots_that_others_hold(tmp_path, monkeypatch):
    host = Host("anna", "test:///default")
    options = Options(("host",), "movable-node", "auto", None, None, 30, False, hosts=(host,))
    allocator = slots.SlotAllocator(options.hosts, Cache(tmp_path), "gw0", False, 9.0)
    monkeypatch.setattr(slots, "try_lease", lambda *_: None)
    with pytest.raises(HostProblem) as told:
        allocator.allocate()
    assert "waiting for one of 1 slots, which others hold: given up" in str(told.value)
    assert "`hotremove hosts` shows who has them" in str(told.value)


def test_time_that_others_take_is_counted_once():
    watch = Stopwatch()
    with watch.running():
        time.sleep(0.1)
        with watch.running():
            time.sleep(0.1)
        assert 0.2 <= watch.spent < 2
    spent = watch.spent
    time.sleep(0.1)
    assert watch.spent == spent
    with watch.running():
        time.sleep(0.1)
    assert watch.spent >= spent + 0.1
