# SPDX-License-Identifier: Apache-2.0
"""Does every byte stay what was last written, while memory moves and goes under a device?"""

import pytest

from hotremove.scenario import MIB, PAGE, REMOVED

pytestmark = [
    pytest.mark.hotremove,
    pytest.mark.topology("dma"),
    pytest.mark.pins("rdma", "edu"),
]


def remove_while_data_moves(memory, data, hold):
    """Unplug memory; that cannot end before all data has moved, for `hold` keeps a page of it."""

    def move_data_and_let_go():
        data.exchange()
        hold.unpin()

    data.check()
    data.exchange()
    memory.unplug(meanwhile=move_data_and_let_go).expect(REMOVED)
    data.check()
    data.exchange()


@pytest.fixture
def hold(movable_memory, vmsplice):
    """A page of the memory that no kernel migrates, so that a removal goes on for as long."""
    page = movable_memory.map(PAGE)
    vmsplice.pin(page)
    return page


@pytest.mark.notices("no-migration", "bytes-lost")
@pytest.mark.long
@pytest.mark.scenario(33, "data moved by a device before, during and after")
def test_data_stays_whole(movable_memory, pinner, traffic, hold):
    data = traffic(pinner, movable_memory.map(4 * MIB))
    pinner.pin(data.buffer)
    remove_while_data_moves(movable_memory, data, hold)


@pytest.mark.long
@pytest.mark.scenario(33, "the data is on node 0", control=True)
def test_data_elsewhere_stays_whole(movable_memory, pinner, traffic, hold, map_on_node):
    data = traffic(pinner, map_on_node(0, 4 * MIB))
    pinner.pin(data.buffer)
    remove_while_data_moves(movable_memory, data, hold)
