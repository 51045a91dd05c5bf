# SPDX-License-Identifier: Apache-2.0
"""Taking a pin: what every pin path ends in. The buffer's holder pins, and the kernel counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hotremove.guest.memory_blocks import read_counters
from hotremove.observe.counters import delta
from hotremove.observe.pagemap import PfnRuns
from hotremove.pins.buffer import Buffer
from hotremove.pins.pin import Pin
from hotremove.virt.polling import wait_until

# Seconds that pages may be missing from the page table of who has pinned them.
_ABSENT = 5.0


def take_pin(
    buffer: Buffer,
    path: str,
    label: str,
    long_term: bool = True,
    by_child: bool = False,
    **keys: object,
) -> Pin:
    """Have the buffer's holder pin it through `path`, and keep it until it is told to release it.

    Args:
        buffer: what is pinned, wholly unless the keys say otherwise.
        path: the holder's word for the pin path (docs/guest-protocol.md).
        label: what holds the pin, for a reader: `rxe memory region`.
        long_term: whether the kernel was told so (FOLL_LONGTERM).
        by_child: whether the holder's child pins, and keeps it; see `Buffer.fork`.
        keys: the path's own settings.

    Raises:
        PinRefused: with the kernel's errno.
        HolderStuck: the kernel does not return.
    """
    return begin_pin(buffer, path, label, long_term, by_child, **keys)()


def begin_pin(
    buffer: Buffer,
    path: str,
    label: str,
    long_term: bool = True,
    by_child: bool = False,
    **keys: Any,
) -> Callable[[], Pin]:
    """Begin as `take_pin` does; what it returns waits for the pin, and raises as `take_pin`."""
    words = [f"{key}={value}" for key, value in keys.items() if value is not None]
    command = " ".join([*(["child"] if by_child else []), "pin", path, *words])
    guest, node = buffer.guest, buffer.node or 0
    before = read_counters(guest.control, node)
    buffer.holder.send(command)

    def finish() -> Pin:
        with guest.timeline.span(f"pin through {path}"):
            answer = buffer.holder.answer(command)
        size = int(answer["bytes"])
        pin = Pin(
            path=path,
            label=label,
            long_term=long_term,
            pid=buffer.pid,
            size=size,
            calls=int(answer["calls"]),
            seconds=float(answer["seconds"]),
            frames=_frames_of(buffer, size, int(keys.get("offset") or 0)),
            counted=delta(before, read_counters(guest.control, node)),
            ended=float(answer["ended"]),
            zero_pages=buffer.zero_pages() if buffer.read_only else 0,
        )
        buffer.pins.append(pin)
        return pin

    return finish


def _frames_of(buffer: Buffer, size: int, offset: int) -> PfnRuns:
    """The page frames of it, once all of `size` pinned bytes are in the page table.

    A page that another tries to migrate is not, until that fails; nor is one of a file that
    was unmapped after it was pinned. Reading a page waits for the one and maps the other.
    """
    found = PfnRuns()

    def all_there() -> bool:
        nonlocal found
        found, absent = buffer.look_up(offset, size)
        if absent:
            buffer.touch()
        return not absent

    wait_until(all_there, _ABSENT)
    return found
