# SPDX-License-Identifier: Apache-2.0
"""In which order workers are given tests."""

from types import SimpleNamespace

import pytest

from hotremove.plugin.farm import FARM
from hotremove.plugin.parametrize import KERNEL
from hotremove.plugin.workers import pytest_collection_modifyitems as order


def item(name, kernel, topology=None):
    mark = SimpleNamespace(args=(topology,)) if topology else None
    return SimpleNamespace(
        name=name,
        fixturenames=[KERNEL],
        callspec=SimpleNamespace(params={KERNEL: kernel}),
        get_closest_marker=lambda _name: mark,
    )


def run(**worker):
    farm = SimpleNamespace(options=SimpleNamespace(topology="movable-node"))
    return SimpleNamespace(stash={FARM: farm}, **worker)


@pytest.fixture
def items():
    return [
        item("small", "5.10"),
        item("large", "5.10", "large"),
        item("unknown", "5.10", "no-such-topology"),
        item("dax", "6.1", "dax"),
        item("first", "6.1"),
        item("second", "6.1"),
        item("huge", "6.1", "large"),
    ]


def test_a_worker_begins_each_kernel_with_its_largest_guests(items):
    order(run(workerinput={"workerid": "gw0"}), items)
    names = [one.name for one in items]
    assert names == ["large", "small", "unknown", "huge", "dax", "first", "second"]


def test_without_workers_tests_stay_as_they_stand_in_their_files(items):
    before = list(items)
    order(run(), items)
    assert items == before
