# SPDX-License-Identifier: Apache-2.0
"""The timeline of a running test: its phases, and in them all that is done for it.

A plugin of its own: hooks around those of the others.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from hotremove import progress
from hotremove.errors import HotremoveError
from hotremove.observe.timeline import TIMELINE
from hotremove.plugin.lending import EVIDENCE
from hotremove.plugin.parametrize import wants_guest

if TYPE_CHECKING:
    from hotremove.results.evidence import Evidence


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Begin a timeline; in the end, keep it with the evidence."""
    TIMELINE.begin()
    try:
        return (yield)
    finally:
        if wants_guest(item) and (evidence := item.stash.get(EVIDENCE, None)):
            _keep(evidence)


def _keep(evidence: Evidence) -> None:
    """A full disk costs the timeline, and not the verdict."""
    try:
        evidence.timed(TIMELINE.moments)
    except HotremoveError as error:
        progress.say(str(error))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup() -> Generator[None, object, object]:
    """Time what comes before the scenario."""
    with TIMELINE.span("set up"):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """Time the scenario, and what is looked at in its end."""
    with TIMELINE.span("scenario"):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Generator[None, object, object]:
    """Time what comes after the scenario."""
    with TIMELINE.span("tear down"):
        return (yield)
