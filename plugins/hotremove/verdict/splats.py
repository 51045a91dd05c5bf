# SPDX-License-Identifier: Apache-2.0
"""Kernel reports that nobody allowed fail the scenario in which they came."""

from __future__ import annotations

from collections.abc import Iterable

from hotremove.observe.report import Report


class KernelSplat(AssertionError):
    """The guest's kernel reported something a scenario does not allow.

    Attributes:
        reports: what it reported, in order.
    """

    def __init__(self, reports: Iterable[Report]) -> None:
        self.reports = tuple(reports)
        super().__init__(describe(self.reports))


def describe(reports: Iterable[Report]) -> str:
    """Each report by its title, kind and fingerprint; the first with its text."""
    found = list(reports)
    titles = "; ".join(f"{report.title} [{report.kind}, {report.fingerprint}]" for report in found)
    return f"the kernel reported: {titles}\n{found[0].text}" if found else "nothing"
