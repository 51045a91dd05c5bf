# SPDX-License-Identifier: Apache-2.0
"""Looking into a guest: while a debugger is at work nothing times out; failed guests can be kept.

A plugin of its own: pytest's hooks around its debugger, and what --hotremove-keep-guest prints.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from hotremove.plugin.farm import FARM
from hotremove.virt.clock import CLOCK

if TYPE_CHECKING:
    from hotremove.guest.machine import Guest

FAILED: pytest.StashKey[bool] = pytest.StashKey()
"""On an item: whether a phase of it has failed."""
KEPT: pytest.StashKey[list[str]] = pytest.StashKey()
"""On the config: how to reach guests of workers that live on."""


def attach_command(guest: Guest) -> str:
    """What a person types for a shell in the guest."""
    return f"hotremove attach {guest.channels.shell}"


def pytest_enter_pdb(config: pytest.Config) -> None:
    """Stop deadlines, and say how to get into the guests."""
    CLOCK.stop()
    for guest in _guests(config):
        print(f"hotremove: nothing times out now; a shell in the guest: {attach_command(guest)}")


def _guests(config: pytest.Config) -> tuple[Guest, ...]:
    farm = config.stash.get(FARM, None)
    return farm.guests if farm else ()


def pytest_leave_pdb() -> None:
    """Let deadlines run again."""
    CLOCK.go_on()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Let deadlines run again after a post-mortem, which ends without a hook of its own."""
    CLOCK.go_on()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note that a test has failed, before its guest goes."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


def should_keep(item: pytest.Item) -> bool:
    """Whether the guest of a test that is being torn down is to live on."""
    return item.config.stash[FARM].options.keep_guest and item.stash.get(FAILED, False)


def kept_guests(config: pytest.Config) -> list[str]:
    """How to reach the guests that live on, workers' guests too."""
    farm = config.stash.get(FARM, None)
    return [*config.stash[KEPT], *map(attach_command, farm.kept if farm else ())]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say how to reach the kept guests, and how to end them."""
    kept = kept_guests(config)
    if kept:
        terminalreporter.section("kept guests")
        for command in kept:
            terminalreporter.line(command)
        terminalreporter.line("`hotremove reap --kept` ends them")
