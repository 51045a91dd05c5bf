# SPDX-License-Identifier: Apache-2.0
"""The trace of events, in the shape of the kernel's file `trace`."""

import pytest

from hotremove.errors import HotremoveError
from hotremove.observe.nodelist import parse_list
from hotremove.observe.pagemap import PfnRuns
from hotremove.observe.trace import LONGTERM_PIN, parse_trace

HEAD = """\
# tracer: nop
#
# entries-in-buffer/entries-written: {}   #P:2
#
#                                _-----=> irqs-off/BH-disabled
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
#              | |         |   |||||     |         |
"""
MIGRATED = (
    "          holder-79      [001] .....    12.345678: mm_migrate_pages: nr_succeeded={}"
    " nr_failed={} nr_thp_succeeded=0 nr_thp_failed=0 nr_thp_split=0 nr_split=0 mode=MIGRATE_SYNC"
    " reason={}\n"
)
ISOLATED = (
    "    kworker/0:1-14      [000] .....    12.400000: test_pages_isolated: start_pfn=0x{:x}"
    " end_pfn=0x{:x} fin_pfn=0x{:x} ret={}\n"
)


def test_migrations_are_told_apart_by_their_reason():
    events = [(512, 0, LONGTERM_PIN), (31, 2, "memory_hotplug"), (16, 0, LONGTERM_PIN)]
    trace = parse_trace(HEAD.format("3/3") + "".join(MIGRATED.format(*one) for one in events))
    assert (trace.succeeded, trace.failed) == (559, 2)
    assert trace.moved_for(LONGTERM_PIN) == 528
    assert trace.moved_for("compaction") == 0
    assert not trace.isolated


def test_a_try_that_found_pages_in_use_does_not_count_as_isolated():
    tries = [(0x8000, 0x10000, 0x8123, "fail"), (0x10000, 0x18000, 0x18000, "success")]
    trace = parse_trace(HEAD.format("2/2") + "".join(ISOLATED.format(*one) for one in tries))
    assert trace.isolated == PfnRuns.of([(0x10000, 0x8000)])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "this is no trace of events"),
        (HEAD.format("900/1000"), "kept 900 of 1000 trace events"),
    ],
)
def test_what_is_no_whole_trace_is_refused(text, told):
    with pytest.raises(HotremoveError, match=told):
        parse_trace(text)


@pytest.mark.parametrize(
    ("text", "numbers"), [("0-1\n", {0, 1}), ("0,2-3", {0, 2, 3}), ("\n", set()), ("7", {7})]
)
def test_lists_of_nodes(text, numbers):
    assert parse_list(text) == numbers


@pytest.mark.parametrize("text", ["none", "1-", "0-x", "-1"])
def test_what_is_no_list_is_refused(text):
    with pytest.raises(HotremoveError, match="no list of numbers"):
        parse_list(text)
