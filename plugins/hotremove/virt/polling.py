# SPDX-License-Identifier: Apache-2.0
"""Waiting for something that sends no event."""

from __future__ import annotations

from collections.abc import Callable

from tenacity import RetryError, Retrying, retry_if_result, wait_exponential

from hotremove.virt.clock import CLOCK


def wait_until(
    condition: Callable[[], bool],
    deadline: float,
    check_alive: Callable[[], None] = lambda: None,
) -> bool:
    """Whether `condition` came true within `deadline` seconds.

    It is tried at once and then ever less often, from 5 ms to 200 ms apart; `check_alive` is called
    between and may raise.
    """

    def attempt() -> bool:
        if condition():
            return True
        check_alive()
        return False

    end = CLOCK.now() + deadline
    retrying = Retrying(
        retry=retry_if_result(lambda met: not met),
        stop=lambda _state: CLOCK.now() >= end,
        wait=wait_exponential(multiplier=0.005, max=0.2),
    )
    try:
        return bool(retrying(attempt))
    except RetryError:
        return False
