# SPDX-License-Identifier: Apache-2.0
"""Costs of pins: read from what the guest measured, fitted, extrapolated."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotremove.errors import HotremoveError, NotApplicable
from hotremove.pincost.measure import Costs
from hotremove.pincost.model import (
    MOVABLE,
    NORMAL,
    WHOLE,
    Cost,
    Point,
    by_series,
    find_misplaced,
    fit,
    parse_measured,
    plan_word,
)

POINTS = (
    Point(path="rdma", mib=8),
    Point(path="vfio", mib=2, zone=NORMAL, kind="thp", faulted=False, batch=512),
)
MEASURED = """\
point rdma:anon:1:1:8:0
before nr_foll_pin_acquired 100
before nr_foll_pin_released 100
before pgmigrate_success 7
before drains 3
before migrates_pins 1
{"event": "mapped", "pid": 116, "address": 1, "bytes": 8388608, "page_bytes": 4096}
{"event": "pinned", "path": "rdma", "bytes": 8388608, "calls": 1, "ticks": 16384000}
after nr_foll_pin_acquired 4196
after nr_foll_pin_released 4196
after pgmigrate_success 2055
after drains 7
point vfio:thp:0:0:2:512
before nr_foll_pin_acquired 4196
before pgmigrate_success 2055
{"event": "mapped", "pid": 117, "address": 1, "bytes": 2097152, "page_bytes": 4096}
{"event": "error", "call": "VFIO_IOMMU_MAP_DMA", "errno": 12, "message": "Cannot allocate memory"}
after nr_foll_pin_acquired 4196
after pgmigrate_success 2055
"""


def cost(mib=8, instructions=1000, **facts):
    known = {"path": "rdma", "calls": 1, "acquired": 1, "migrated": 0}
    return Cost(mib=mib, instructions=instructions, **{**known, **facts})


def law(sizes, fixed, slope, exponent):
    pages = ((mib, mib * 256) for mib in sizes)
    return [cost(mib, round(fixed + slope * n**exponent)) for mib, n in pages]


@pytest.mark.parametrize(
    ("facts", "misplaced"),
    [
        ({"migrated": 2048}, False),
        ({"migrated": 2047}, True),
        ({"migrated": 0, "zone": NORMAL}, False),
        ({"migrated": 2048, "zone": NORMAL}, True),
        ({"migrated": 0, "faulted": False}, False),
        ({"migrated": 0, "refused": "ibv_reg_mr: Cannot allocate memory"}, False),
        ({"migrated": 0, "moves": False}, False),
    ],
)
def test_a_kernel_with_the_fix_tells_where_pages_lay(facts, misplaced):
    measured = cost(**{"moves": True, **facts})
    assert find_misplaced([measured]) == ((measured,) if misplaced else ())


def test_a_plan_is_a_word_of_the_kernels_command_line():
    assert plan_word(POINTS, movable_node=1) == "rdma:anon:1:1:8:0,vfio:thp:0:0:2:512"


def test_what_was_measured_is_read_back_by_point():
    first, second = parse_measured(POINTS, MEASURED)
    assert first.point == POINTS[0]
    assert (first.instructions, first.calls, first.migrated) == (16384000, 1, 2048)
    assert (first.per_page, first.passes, first.drains_per_gib) == (8000, 2.0, 512)
    assert (first.moves, second.moves) == (True, False)
    assert second.point == POINTS[1]
    assert second.refused == "VFIO_IOMMU_MAP_DMA: Cannot allocate memory"
    assert second.drains is second.drains_per_gib is None


@pytest.mark.parametrize("kept", [0, 60, 350, 720, len(MEASURED) - 300])
def test_a_measurement_that_broke_off_is_none(kept):
    with pytest.raises(HotremoveError, match="measured"):
        parse_measured(POINTS, MEASURED[:kept])


@pytest.mark.parametrize("facts", [{"mib": 0}, {"mib": -1}, {"instructions": 0}, {"batch": -1}])
def test_an_impossible_cost_is_refused(facts):
    with pytest.raises(ValueError, match="no "):
        cost(**facts)


def test_series_differ_in_size_alone():
    costs = [cost(16), cost(8), cost(8, zone=NORMAL), cost(4, batch=1), cost(2, refused="ENOMEM")]
    assert [[c.mib for c in them] for them in by_series(costs).values()] == [[8, 16], [8], [4]]


@pytest.mark.parametrize("exponent", [0.9, 1.0, 1.1, 1.5, 2.0])
def test_the_exponent_of_a_power_law_is_found(exponent):
    growth = fit(law((16, 32, 64, 128, 256), 0, 7000, exponent))
    assert growth.exponent.value == pytest.approx(exponent, abs=1e-4)
    assert growth.exponent.high - growth.exponent.low < 1e-3


@given(
    slope=st.floats(100, 20_000),
    exponent=st.floats(0.9, 2.0),
    sizes=st.lists(st.integers(1, 1024), min_size=4, max_size=8, unique=True).map(sorted),
)
def test_a_power_law_is_extrapolated_whatever_the_sizes(slope, exponent, sizes):
    told = fit(law(sizes, 0, slope, exponent)).extrapolate(WHOLE)
    assert told.value == pytest.approx(slope * WHOLE**exponent, rel=0.01)


@given(st.lists(st.floats(-0.03, 0.03), min_size=6, max_size=6))
def test_noise_gives_a_range_about_the_value(shakes):
    costs = [
        cost(one.mib, round(one.instructions * (1 + shake)))
        for one, shake in zip(law((16, 32, 64, 128, 256, 512), 0, 7000, 1), shakes, strict=True)
    ]
    growth = fit(costs)
    told = growth.extrapolate(WHOLE)
    assert told.low <= told.value <= told.high
    assert growth.exponent.low <= growth.exponent.value <= growth.exponent.high
    assert growth.exponent.value == pytest.approx(1, abs=0.04)


def test_the_fit_is_numpys():
    shakes = (1.3, 0.98, 1.01, 0.995, 1.002)
    costs = [
        cost(mib, round(10**7 * mib * shake))
        for mib, shake in zip((16, 32, 64, 128, 256), shakes, strict=True)
    ]
    growth = fit(costs)
    places = np.log([one.pages for one in costs])
    heights = np.log([one.instructions for one in costs])
    weights = np.sqrt([one.pages for one in costs])
    (slope, level), errors = np.polyfit(places, heights, 1, w=weights, cov=True)
    student = 3.182  # two-sided 95 % point of Student's t for 3 degrees of freedom
    assert growth.exponent.value == pytest.approx(slope)
    assert growth.exponent.high - slope == pytest.approx(student * math.sqrt(errors[0, 0]))
    whole = math.exp(slope * math.log(WHOLE) + level)
    assert growth.extrapolate(WHOLE).value == pytest.approx(whole)


def test_a_small_pin_that_lies_badly_hardly_matters():
    costs = law((16, 32, 64, 128, 256), 0, 260, 1)
    costs[0] = cost(16, round(1.5 * costs[0].instructions))
    assert fit(costs).exponent.value == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("sizes", [(), (8,), (8, 16, 32), (8, 8, 16, 16, 32)])
def test_too_few_sizes_have_no_growth(sizes):
    assert fit(law(sizes, 0, 7000, 1)) is None


def test_linear_is_expected():
    sizes = (8, 16, 32, 64)
    Costs(tuple(law(sizes, 10**5, 7000, 1.0))).expect_linear(tolerance=0.1)
    with pytest.raises(AssertionError, match=r"grows as the 1\.200th power"):
        Costs(tuple(law(sizes, 0, 7000, 1.2))).expect_linear(tolerance=0.1)
    with pytest.raises(AssertionError, match="1 sizes show no growth"):
        Costs((cost(8),)).expect_linear(tolerance=0.02)


def test_one_instruction_more_is_qemus_doing():
    first = Costs((cost(8, 1000), cost(16, 2000)))
    first.expect_same_as(Costs((cost(8, 1000), cost(16, 2000))))
    with pytest.raises(NotApplicable, match="16 MiB, measured again: instructions 2000, now 2001"):
        Costs((cost(8, 1000), cost(16, 2001))).expect_same_as(first)


def test_what_else_differs_is_the_kernels():
    first = Costs((cost(4, 1000), cost(8, 1000, migrated=2048)))
    with pytest.raises(AssertionError, match=r"measured again: .*migrated 2048, now 2047"):
        Costs((cost(4, 1001), cost(8, 1001, migrated=2047))).expect_same_as(first)


def test_costs_are_chosen_by_what_they_have_in_common():
    costs = Costs((cost(16), cost(8, migrated=2048), cost(8, 2000, zone=NORMAL)))
    assert [one.mib for one in costs.of(zone=MOVABLE)] == [8, 16]
    assert costs.of(zone=NORMAL).per_page == pytest.approx(2000 / 2048)
    assert costs.of(mib=8, zone=MOVABLE).migrated
    assert not costs.of(zone=MOVABLE).migrated


def test_the_whole_range_is_300_gib():
    assert math.isclose(WHOLE * 4096, 300 * 2**30)
