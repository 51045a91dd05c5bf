# SPDX-License-Identifier: Apache-2.0
"""All runs on one HTML page, as self-contained as a run's own."""

from __future__ import annotations

from collections.abc import Sequence

from hotremove.analysis.history import FiledRun
from hotremove.analysis.runs import trends, wavering
from hotremove.analysis.summary import tally
from hotremove.formats.pages import template
from hotremove.results.naming import row_order


def render(runs: Sequence[FiledRun]) -> str:
    """The page: a table a kernel spec with a column for each run, the newest first."""
    newest_first = list(reversed(runs))
    everything = sorted(trends(newest_first), key=lambda trend: row_order(trend.row))
    kernels = list(dict.fromkeys(trend.kernel for trend in everything))
    return template("history.html").render(
        runs=newest_first,
        tallies=[tally(run.record.results) for run in newest_first],
        tables=[
            (kernel, [one for one in everything if one.kernel == kernel]) for kernel in kernels
        ],
        wavering=wavering(runs),
    )
