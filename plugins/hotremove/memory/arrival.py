# SPDX-License-Identifier: Apache-2.0
"""Memory that comes online, or does not: whose fault is it?"""

from __future__ import annotations

import errno
from collections.abc import Iterable

from hotremove.errors import DeadlineExceeded, HotremoveError
from hotremove.guest.control import Control
from hotremove.guest.memory_blocks import SYSFS
from hotremove.memory.write import parse_write, write_command
from hotremove.observe.pagemap import MemoryBlock

# Seconds from plugging to online: below 1 under TCG.
ONLINE_DEADLINE = 30.0


class OnlineRefused(AssertionError):
    """The kernel refuses to online memory that it has."""


class Misplaced(AssertionError):
    """The kernel onlined memory, but on another node or in another zone than it was told."""


def online_block(control: Control, index: int, policy: str) -> None:
    """Online a block by writing `policy` to its state; one that has come back by itself is online.

    An offline that gives up brings its block back after its caller may have gone on.

    Raises:
        OnlineRefused: with the kernel's errno.
        DeadlineExceeded: the write does not return.
    """
    state = f"{SYSFS}/memory{index}/state"
    command = write_command(policy, state)
    done = control.run(command, ONLINE_DEADLINE)
    if done.ending == "deadline":
        raise DeadlineExceeded(f"onlining memory{index} did not end within {ONLINE_DEADLINE:g} s")
    written = parse_write(done)
    # state_store() in drivers/base/memory.c: EINVAL where device_online() finds it online.
    if written.error == errno.EINVAL and control.read(state).strip() == "online":
        return
    if written.error:
        raise OnlineRefused(f"the kernel refused `{policy}` for memory{index}: {written}")


def find_misplaced(blocks: Iterable[MemoryBlock], node: int, zone: str) -> tuple[MemoryBlock, ...]:
    """The blocks that are not online on the node and in the zone."""
    return tuple(block for block in blocks if (block.node, block.zone) != (node, zone))


def why_not_there(
    control: Control, told: str, wrong: tuple[MemoryBlock, ...], policy: str
) -> Exception:
    """The error for memory that was plugged and is not online where it should be.

    The kernel is to blame where it says itself that it follows `policy` (auto_online_blocks) and
    put the memory elsewhere, or refuses to online it by hand. Where none came, nobody knows.

    Args:
        control: of the guest.
        told: what was wanted, and what was seen.
        wrong: the memory blocks that came and are not as they should be.
        policy: what a block's `state` takes to be put there.
    """
    followed = control.read(f"{SYSFS}/auto_online_blocks").strip()
    if not wrong or followed != policy:
        return HotremoveError(f"{told}; auto_online_blocks is {followed}")
    try:
        for block in wrong:
            if block.state == "offline":
                online_block(control, block.index, policy)
    except OnlineRefused as refused:
        return refused
    if all(block.state == "online" for block in wrong):
        return Misplaced(told)
    return HotremoveError(f"{told}; it came online by hand only")
