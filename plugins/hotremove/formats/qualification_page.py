# SPDX-License-Identifier: Apache-2.0
"""A qualification for people: Markdown, and an HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hotremove.analysis.compare import Comparison, Difference
from hotremove.analysis.qualification import Decision, Entry, Qualification, Status
from hotremove.analysis.summary import tally
from hotremove.formats.markdown import escaped, rows_of
from hotremove.formats.pages import template
from hotremove.results.naming import row_order, title
from hotremove.results.record import Record

_DECISIONS = {Decision.FIT: "pass", Decision.UNFIT: "fail", Decision.OPEN: "lost"}
_STATUSES = {
    Status.PRESENT: "pass",
    Status.MISSING: "fail",
    Status.BROKEN: "fail",
    Status.UNTESTED: "skip",
    Status.HARMLESS: "pass",
}


def render_html(found: Qualification, record: Record) -> str:
    """The page."""
    return template("qualification.html").render(
        found=found,
        record=record,
        results=sorted(record.results, key=lambda result: row_order(result.row)),
        tally=_tally(found, record),
        title=title,
        colour=_DECISIONS[found.decision],
        colours=_STATUSES,
    )


def render_markdown(found: Qualification, record: Record) -> str:
    """The same, for a mail."""
    return "\n".join(_lines(found, record)) + "\n"


def _lines(found: Qualification, record: Record) -> Iterator[str]:
    yield f"# {escaped(found.version)} {found.decision}\n"
    yield f"{escaped(found.sentence)}\n"
    if found.gaps:
        yield "## Not looked at\n"
        yield from (f"- {escaped(gap)}" for gap in found.gaps)
        yield ""
    yield "## Upstream changes\n"
    yield from rows_of(lineage_table(found.shown + found.untested))
    if found.baseline:
        yield from _baseline(found.baseline)
    yield "\n## Tests\n"
    yield escaped(_tally(found, record))


def _tally(found: Qualification, record: Record) -> str:
    """The verdicts on the kernel itself, without the baseline's."""
    return tally([result for result in record.results if result.kernel == found.kernel])


def lineage_table(entries: Sequence[Entry]) -> list[list[str]]:
    """Entries as rows of text, a head first."""
    rows = [["change", "since", "status", "shown by"]]
    for one in entries:
        change = f"{one.change.hash} {one.change.subject}"
        rows.append([change, one.change.mainline, one.status, one.shown_by])
    return rows


def _baseline(baseline: Comparison) -> Iterator[str]:
    yield f"\n## Against the baseline\n\n{escaped(baseline.summary)}\n"
    for heading, differences in (
        ("better", baseline.fixes),
        ("worse", baseline.regressions),
        ("different", baseline.changes),
    ):
        if differences:
            yield ""
            yield from rows_of([[heading, "baseline", "kernel"], *_cells(differences)])


def _cells(differences: Sequence[Difference]) -> list[list[str]]:
    return [[one.row, one.before, one.after] for one in differences]
