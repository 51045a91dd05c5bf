# SPDX-License-Identifier: Apache-2.0
"""Processes that do not come back from the kernel, and whom the OOM killer killed."""

import pytest

from hotremove.observe.kernellog.oom import is_killed_for_memory
from hotremove.observe.process import parse_stack, parse_stat


def test_a_state_whatever_the_program_is_called():
    text = "812 (a) D (b)) D 1 812 812 0 -1 4194560 181 0 0 0 3 1250 0 0 20 0 1 0 5012 0 0\n"
    state = parse_stat(text)
    assert (state.letter, state.kernel_seconds) == ("D", 12.5)


def test_a_stack_by_its_functions():
    text = "[<0>] folio_wait_bit_common+0x13d/0x350\n[<0>] do_migrate_range+0x1/0x2 [mod]\n\n"
    assert parse_stack(text)[0] == "folio_wait_bit_common"
    assert parse_stack("") == ()


@pytest.mark.parametrize(
    ("line", "killed"),
    [
        ("Out of memory: Killed process 93 (holder) total-vm:139264kB, anon-rss:131072kB", True),
        ("Memory cgroup out of memory: Killed process 93 (holder) total-vm:139264kB", True),
        ("3,1,2,-;Out of memory: Killed process 93 (holder), UID 0, total-vm:1kB", True),
        ("Out of memory: Killed process 931 (holder) total-vm:139264kB", False),
        ("Out of memory: Killed process 9 (udevd) total-vm:139264kB", False),
        ("oom-kill:constraint=CONSTRAINT_NONE,task=holder,pid=93,uid=0", False),
        ("", False),
    ],
)
def test_the_process_that_was_killed_for_memory(line, killed):
    assert is_killed_for_memory(f"before\n{line}\nafter", 93) is killed
