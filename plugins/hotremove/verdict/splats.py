# SPDX-License-Identifier: Apache-2.0
"""Kernel reports that nobody allowed fail the scenario in which they came."""

from __future__ import annotations

from collections.abc import Iterable

from hotremove.observe.kernellog.allowance import Allowance
from hotremove.observe.kernellog.report import Report


class KernelSplat(AssertionError):
    """The guest's kernel reported something a scenario does not allow.

    Attributes:
        reports: what it reported, in order.
    """

    def __init__(self, reports: Iterable[Report], expired: Iterable[Allowance] = ()) -> None:
        self.reports = tuple(reports)
        super().__init__(describe(self.reports, tuple(expired)))


def describe(reports: tuple[Report, ...], expired: tuple[Allowance, ...] = ()) -> str:
    """Each report by its title, kind and fingerprint; then the first one's text."""
    titles = "; ".join(f"{one.title} [{one.kind}, {one.fingerprint}]" for one in reports)
    late = "".join(f"\nan allowance for it has expired: {one}" for one in expired)
    return f"the kernel reported: {titles}{late}\n{reports[0].text}"
