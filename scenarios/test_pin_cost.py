# SPDX-License-Identifier: Apache-2.0
"""What does a long-term pin cost, and how does the cost grow with the size of the range?

Counted in instructions, in guests that do the same each time; what is asked here is whether the
figures can be trusted. How high they are is told in the report, and what became dearer since
another run by `hotremove compare`.
"""

from itertools import product

import pytest

from hotremove.scenario import MOVABLE, NORMAL, Point

PATHS = ("rdma", "vfio")
ZONES = (MOVABLE, NORMAL)
# MiB; the largest first, because what is set up once weighs least there.
SIZES = (32, 16, 8, 4)
GRID = (
    *(Point(path="rdma", zone=z, mib=mib) for z, mib in product(ZONES, SIZES)),
    *(Point(path="rdma", zone=z, mib=4, batch=b) for z, b in product(ZONES, (1, 512))),
    *(Point(path="vfio", zone=z, mib=16) for z in ZONES),
)

WIDE_SIZES = (128, 64, 32, 16, 8)
WIDE_GRID = (
    *(Point(path=p, zone=z, mib=mib) for p, z, mib in product(PATHS, ZONES, WIDE_SIZES)),
    *(
        Point(path=p, zone=z, mib=mib, faulted=False)
        for p, z, mib in product(PATHS, ZONES, WIDE_SIZES[1:])
    ),
    *(
        Point(path=p, zone=z, mib=mib, kind="thp")
        for p, z, mib in product(PATHS, ZONES, WIDE_SIZES)
    ),
    *(
        Point(path=p, zone=z, mib=16, batch=batch)
        for p, z, batch in product(PATHS, ZONES, (1, 512))
    ),
)
HUGETLB_GRID = tuple(
    Point(path=p, zone=z, mib=mib, kind="hugetlb2m")
    for p, z, mib in product(PATHS, ZONES, WIDE_SIZES)
)


@pytest.mark.hotremove
@pytest.mark.notices("quadratic-scan", "drain-each-page")
@pytest.mark.long
@pytest.mark.scenario(9, "cost of a pin, by its size")
def test_cost_of_a_pin_grows_in_step_with_its_size(pin_cost):
    costs = pin_cost.measure(GRID).of(path="rdma", zone=MOVABLE, batch=0)
    costs.expect_linear(tolerance=0.1)
    costs.expect_drains(at_most=1024)


@pytest.mark.hotremove
@pytest.mark.long
@pytest.mark.scenario(9, "moving pages is what costs")
@pytest.mark.parametrize("path", ["rdma", "vfio"])
def test_pages_that_move_cost_more_and_others_do_not(pin_cost, path):
    costs = pin_cost.measure(GRID).of(path=path, batch=0)
    movable, normal = costs.of(zone=MOVABLE), costs.of(zone=NORMAL)
    if movable.migrated:
        assert movable.per_page > 3 * normal.per_page
    else:
        assert movable.per_page < 1.5 * normal.per_page


@pytest.mark.hotremove
@pytest.mark.long
@pytest.mark.scenario(10, "page by page, or all at once")
def test_pinning_page_by_page_moves_as_many_pages(pin_cost):
    costs = pin_cost.measure(GRID).of(path="rdma", zone=MOVABLE, mib=4)
    page_by_page, at_once = costs.of(batch=1).largest, costs.of(batch=0).largest
    assert page_by_page.calls == at_once.pages
    assert page_by_page.migrated == at_once.migrated
    assert page_by_page.per_page > at_once.per_page


@pytest.mark.hotremove
@pytest.mark.long
@pytest.mark.scenario(9, "measured twice")
def test_cost_is_the_same_each_time(pin_cost):
    pin_cost.measure_afresh(GRID).expect_same_as(pin_cost.measure(GRID))


@pytest.mark.nightly
@pytest.mark.scenario(9, "cost of a pin: sizes, kinds of memory, paths")
def test_cost_of_many_pins(pin_cost):
    assert not any(cost.refused for cost in pin_cost.measure(WIDE_GRID))


@pytest.mark.nightly
@pytest.mark.allow_splat(
    kind="warning",
    pattern="follow_hugetlb_page",
    reason="6.1 warns when it refuses to pin hugetlb pages in ZONE_MOVABLE; row 11 is about that",
    expires="2027-12-31",
)
@pytest.mark.scenario(9, "cost of a pin: hugetlb")
def test_cost_of_hugetlb_pins(pin_cost):
    costs = pin_cost.measure(HUGETLB_GRID)
    assert not any(cost.refused for cost in costs.of(zone=NORMAL))
