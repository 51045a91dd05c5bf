# SPDX-License-Identifier: Apache-2.0
"""What to look at first: by weight, what is new before what was there, alike together."""

from __future__ import annotations

from dataclasses import replace

from report_samples import make_result, old

from hotremove.analysis.compare import key_of
from hotremove.analysis.first import Weight, caption, highlights, things
from hotremove.results.naming import in_words

FAILED = make_result(verdict="fail", message="stuck: pfn 0x100009", outcome="stuck")
LOST = make_result(scenario="2 vfio", verdict="lost", message="QEMU was killed")
WAIVED = make_result(scenario="3 uring", verdict="waived", message="--without modules")
KNOWN = make_result(scenario="4 faulted", verdict="known-bug", message="stuck [known: x]")
WAVERS = make_result(scenario="5 unpinned", attempts=("lost",))
ALL = [make_result(scenario="6 pass"), WAVERS, KNOWN, WAIVED, LOST, FAILED]


def test_the_kernels_failures_lead_then_what_was_lost_then_what_nobody_looked_at():
    found = things(ALL)
    assert [one.weight for one in found] == [
        Weight.FAILURE,
        Weight.LOST,
        Weight.NOT_LOOKED,
        Weight.WAVERS,
    ]
    assert caption(found) == "the three things to look at first, of 4"
    assert [heading for heading, _ in highlights(ALL)] == [
        "6.1.192, 1 rxe memory region held: fail",
        "6.1.192, 2 vfio: lost",
        "6.1.192, 3 uring: waived",
    ]


def test_what_is_known_is_looked_at_when_it_is_new():
    found = things(ALL, {key_of(KNOWN): "pass"})
    assert found[3].weight is Weight.WORSE
    assert found[3].heading == "6.1.192, 4 faulted: known-bug, was pass"


def test_of_two_failures_the_new_one_leads():
    new = replace(FAILED, scenario="9 cost", test="t.py::new[6.1.192]", message="an oops")
    assert things([FAILED, new])[0].first is FAILED
    first, *_ = things([FAILED, new], {key_of(new): "pass"})
    assert first.heading == "6.1.192, 9 cost: fail, was pass"


def test_one_cause_on_many_kernels_is_one_thing():
    many = [
        replace(FAILED, kernel=f"k{n}", kernel_label=f"6.12.{n}", message=f"stuck: pfn {n:#x}")
        for n in range(60)
    ]
    (found,) = things([*many, replace(FAILED, scenario="2 vfio", kernel_label="6.12.3")])
    assert found.heading.startswith("6.12.0 to 6.12.59 (60 kernels), 1 rxe")
    assert found.alike == 60


def test_a_scenario_that_does_not_notice_a_fault_is_told_with_it():
    blind = replace(FAILED, fault="read-pins", message="1 rxe does not notice read-pins")
    assert things([blind])[0].heading == "6.1.192, 1 rxe memory region held, with read-pins: fail"


def test_a_good_run_has_nothing_to_look_at():
    assert things([make_result(), old(verdict="absent"), KNOWN]) == []


def test_names_of_many_kernels_in_short():
    order = [f"6.{n}" for n in range(9)]
    assert in_words(["6.1"], order) == "6.1"
    assert in_words(["6.3", "6.1"], order) == "6.1, 6.3"
    assert in_words(order[2:7], order) == "6.2 to 6.6 (5 kernels)"
    assert in_words(order[::2], order) == "6.0, 6.2 and 3 more"
