# SPDX-License-Identifier: Apache-2.0
"""The program that goes on reading, on this machine's own memory and files."""

import ctypes
import os
import re
import signal
import subprocess

import pytest

from hotremove.bootimage.workloads import build_workloads
from hotremove.cache import Cache

MIB = 1 << 20
# prctl(2): where Yama restricts who may look at a process, any child of this one may.
PR_SET_PTRACER, ANY = 0x59616D61, ctypes.c_ulong(-1)


@pytest.fixture(scope="module")
def io_loop():
    return next(path for path in build_workloads(Cache.default()) if path.name == "io_loop")


def run(*words):
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def passes(loop):
    assert loop.stdout.readline() == "begun\n"
    loop.send_signal(signal.SIGTERM)
    told, complaint = loop.communicate(timeout=30)
    assert loop.returncode == 0, complaint
    return int(re.fullmatch(r"(\d+) \d+\.\d{3}\n", told)[1])


def test_a_file_is_read_into_shared_memory_that_never_changes(io_loop, tmp_path):
    shared, file = tmp_path / "shared", tmp_path / "file"
    shared.write_bytes(content := os.urandom(MIB))
    assert passes(run(io_loop, "direct", shared, file)) >= 1
    assert shared.read_bytes() == file.read_bytes() == content


def test_another_process_is_read(io_loop):
    memory = ctypes.create_string_buffer(MIB)
    address = ctypes.addressof(memory)
    ctypes.CDLL(None).prctl(PR_SET_PTRACER, ANY)
    assert passes(run(io_loop, "process", str(os.getpid()), str(address), str(MIB))) >= 1


def test_memory_that_is_not_there_ends_it(io_loop):
    loop = run(io_loop, "process", str(os.getpid()), "4096", str(MIB))
    assert "Bad address" in loop.communicate(timeout=30)[1]
    assert loop.returncode == 1
