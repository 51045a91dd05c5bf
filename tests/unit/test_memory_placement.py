# SPDX-License-Identifier: Apache-2.0
"""Whether pages and memory blocks are where a scenario needs them, and whose fault it is if not."""

import pytest

from hotremove.errors import HotremoveError, NotApplicable
from hotremove.guest.control import Completed
from hotremove.memory.arrival import Misplaced, OnlineRefused, find_misplaced, why_not_there
from hotremove.memory.dimm import Dimm
from hotremove.memory.placement import (
    LiesElsewhere,
    require_alike,
    require_in_part,
    require_placed,
    require_spilled,
)
from hotremove.observe.pagemap import MemoryBlock, PfnRuns
from hotremove.verdict.judge import judge
from hotremove.verdict.verdict import Verdict

MEMORY = PfnRuns.of([(0x100000, 0x8000)])


class Mapped:
    """A buffer of 16 pages, some of them in the memory."""

    size = 16 * 4096

    def __init__(self, inside=16, outside=0, kind="anon", huge=0):
        self.kind = kind
        self.huge = huge
        self.runs = PfnRuns.of([(0x100000, inside), (0x10, outside)])

    def frames(self):
        return self.runs

    def huge_bytes(self):
        return self.huge


def test_pages_that_lie_there():
    require_placed(Mapped(), MEMORY)
    require_placed(Mapped(inside=0), MEMORY, faulted=False)
    require_placed(Mapped(kind="thp", huge=16 * 4096), MEMORY)
    require_spilled(Mapped(inside=0x4000), MEMORY)
    require_alike((Mapped(), Mapped()))


@pytest.mark.parametrize("mapped", [Mapped(15, 1), Mapped(0, 16), Mapped(8, 0)])
def test_pages_elsewhere_say_nothing_of_the_memory(mapped):
    with pytest.raises(HotremoveError, match="of 16 pages of") as told:
        require_placed(mapped, MEMORY)
    assert judge(told.value) is not Verdict.FAIL


def test_pages_that_are_there_too_early():
    with pytest.raises(HotremoveError, match=r"1 pages of .* before they are touched"):
        require_placed(Mapped(inside=1), MEMORY, faulted=False)


def test_single_pages_in_the_place_of_huge_ones_are_no_premise():
    with pytest.raises(NotApplicable, match="in transparent huge pages"):
        require_placed(Mapped(kind="thp", huge=8 * 4096), MEMORY)


def test_pages_that_lie_there_in_part():
    require_in_part(Mapped(8, 8), MEMORY)
    for mapped in (Mapped(16, 0), Mapped(0, 16), Mapped(3, 13), Mapped(13, 3)):
        with pytest.raises(HotremoveError, match=r"of 16 pages of .* lie in the memory"):
            require_in_part(mapped, MEMORY)


def test_a_large_buffer_takes_half_of_the_memory():
    with pytest.raises(HotremoveError, match="16 of the memory's 32768 pages"):
        require_spilled(Mapped(), MEMORY)


def test_holders_that_share_nothing():
    with pytest.raises(HotremoveError, match="share not all"):
        require_alike((Mapped(), Mapped(15, 1)))


def block(index, state="online", zone="Movable", node=1):
    return MemoryBlock(index, PfnRuns(), state, (zone,), node)


class Told:
    """A guest that follows a policy, and answers what is written to a block's state."""

    def __init__(self, policy="online_movable", error=0):
        self.policy = policy
        self.error = error

    def read(self, path):
        assert path.endswith("/auto_online_blocks")
        return f"{self.policy}\n"

    def run(self, command, deadline):
        text = f"1.0 2.0 {self.error}\n".encode()
        return Completed(command, "exit", self.error, text, b"")


def why(told, *blocks):
    return why_not_there(told, "512 MiB are not online", blocks, "online_movable")


def test_blocks_that_are_not_where_they_should_be():
    blocks = (block(1), block(2, zone="Normal"), block(3, node=0), block(4, state="offline"))
    assert [b.index for b in find_misplaced(blocks, 1, "Movable")] == [2, 3, 4]


@pytest.mark.parametrize("wrong", [block(2, zone="Normal"), block(2, node=0)])
def test_a_kernel_that_puts_memory_elsewhere_than_it_says_fails(wrong):
    error = why(Told(), wrong)
    assert isinstance(error, Misplaced)
    assert judge(error) is Verdict.FAIL


def test_a_kernel_that_refuses_to_online_fails():
    error = why(Told(error=16), block(2, state="offline"))
    assert isinstance(error, OnlineRefused)
    assert "refused `online_movable` for memory2: EBUSY" in str(error)
    assert judge(error) is Verdict.FAIL


@pytest.mark.parametrize(
    ("told", "blocks"),
    [
        (Told(), ()),
        (Told(policy="offline"), (block(2, state="offline"),)),
        (Told(policy="online"), (block(2, zone="Normal"),)),
        (Told(), (block(2, state="offline"),)),
    ],
)
def test_where_the_harness_may_be_at_fault_the_kernel_is_not_blamed(told, blocks):
    assert judge(why(told, *blocks)) is Verdict.LOST


class Renewed(Mapped):
    """A buffer of whose first renewals a page lies elsewhere."""

    pins = ()

    def __init__(self, strays):
        super().__init__()
        self.strays = strays

    def renew(self):
        self.runs = PfnRuns.of([(0x100000, 15), (0x10 if self.strays else 0x10000F, 1)])
        self.strays -= 1

    def touch(self):
        """As it is."""


def test_memory_that_lies_elsewhere_is_renewed_again():
    dimm = Dimm.__new__(Dimm)
    dimm.frames = MEMORY
    dimm.renew(Renewed(strays=2))
    with pytest.raises(LiesElsewhere, match="15 of 16 pages") as caught:
        dimm.renew(Renewed(strays=3))
    assert judge(caught.value) is Verdict.LOST
