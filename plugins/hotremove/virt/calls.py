# SPDX-License-Identifier: Apache-2.0
"""Calls into libvirt, of which none lasts for ever.

libvirt waits without a limit for the answer of a QEMU that is stopped, and so would its caller.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread
from typing import TypeVar

from hotremove.errors import GuestLost
from hotremove.virt.clock import CLOCK

T = TypeVar("T")

# Seconds a call is given: it takes milliseconds, and a second where QEMU starts.
CALL = 60.0
# The same for one for which libvirt asks each QEMU of a host what it can do: 4 s for one, 13 for an
# emulator of another architecture, and 15 more for each that the host's PID 1 is slow to reap.
PROBE = 300.0
# The same for one that writes a guest's memory to a disk: a second or two.
SAVE = 300.0
# Seconds a call is given to come back once what it waits for was ended.
_GRACE = 10.0


class CallOverdue(GuestLost):
    """libvirt did not come back from a call about a guest, and the guest was ended."""


def bounded(call: Callable[[], T], seconds: float, end: Callable[[], None]) -> T:
    """What `call` gives, made in a thread of its own, so that this one can be interrupted.

    After `seconds` without an answer, `end` is to end what the call waits for. A call that does not
    come back then either is left to its thread.

    Raises:
        TimeoutError: there was no answer in time.
    """
    answer: Future[T] = Future()
    thread = Thread(target=_answer, args=(call, answer), name="libvirt-call", daemon=True)
    thread.start()
    came = False
    try:
        came = _comes(answer, seconds)
        if not came:
            end()
    finally:
        # Who is interrupted must not clear up while libvirt is still at it.
        thread.join(_GRACE)
    if not came:
        raise TimeoutError
    return answer.result()


def _answer(call: Callable[[], T], answer: Future[T]) -> None:
    try:
        answer.set_result(call())
    except BaseException as error:
        answer.set_exception(error)


def _comes(answer: Future[T], seconds: float) -> bool:
    """Whether the answer comes in time; while a debugger is at work nothing times out."""
    end = CLOCK.now() + seconds
    while not answer.done() and (left := end - CLOCK.now()) > 0:
        wait([answer], min(left, 1.0))
    return answer.done()
