# SPDX-License-Identifier: Apache-2.0
"""Records that are missing in a kernel's log."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotremove.observe.kernellog.wholeness import _OVERRUN, count_dropped, count_lost

EVIDENCE = Path(__file__).resolve().parents[2] / "guests/agent/evidence.c"


def records(*numbers):
    return [f"6,{number},{number * 100},-;message" for number in numbers]


@pytest.mark.parametrize(
    ("lines", "first", "lost"),
    [
        ([], None, 0),
        ([], 0, 0),
        (records(5, 6, 7), None, 0),
        (records(0, 1), 0, 0),
        (records(3, 4), 0, 3),
        (records(5, 6, 9), None, 2),
        ([*records(5), _OVERRUN, *records(9)], None, 3),
        ([_OVERRUN, *records(9)], None, 1),
        ([_OVERRUN, *records(9)], 0, 9),
        (records(5, 6, 7, 5, 6, 7, 8), None, 0),  # its reader was started anew
        (["6,12,100,-,caller=T1;message", "half a line"], 12, 0),
    ],
)
def test_how_many_are_missing(lines, first, lost):
    assert count_lost(lines, first) == lost


@given(st.sets(st.integers(1, 60)))
def test_whatever_is_taken_out_of_the_middle_is_missed(gone):
    left = [number for number in range(62) if number not in gone]
    assert count_lost(records(*left), 0) == len(gone)


@given(st.lists(st.text()))
def test_no_text_makes_it_raise(lines):
    assert count_lost(lines) >= 0


def test_it_knows_the_agents_words():
    assert f'"{_OVERRUN}\\n"' in EVIDENCE.read_text()


def test_what_a_console_dropped():
    console = "[    1.0] one\n** 12 printk messages dropped **\n** 3 printk messages dropped **\n"
    assert count_dropped(console) == 15
    assert count_dropped(re.sub("printk ", "", console)) == 0
