# SPDX-License-Identifier: Apache-2.0
"""A night for people: one HTML page, and the same as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import quote

from hotremove.analysis.compare import Comparison, Difference
from hotremove.analysis.nightly.summary import Judged, Light, Summary
from hotremove.formats.markdown import escaped, rows_of
from hotremove.formats.pages import template
from hotremove.kernels.offers.offer import Offer

_COLOURS = {Light.RED: "fail", Light.OPEN: "lost", Light.GREEN: "pass"}
_HEADINGS = ("worse", "better", "different")


def render_html(found: Summary) -> str:
    """The page; it leads to the page of each run beside it."""
    return template("night.html").render(
        found=found, colours=_COLOURS, changed=changed, quote=quote, versions=versions
    )


def render_markdown(found: Summary) -> str:
    """The same, for a mail or a merge request."""
    return "\n".join(_lines(found)) + "\n"


def changed(change: Comparison | None) -> list[tuple[str, tuple[Difference, ...]]]:
    """What is other than before, by whether it is worse."""
    if change is None:
        return []
    groups = (change.regressions, change.fixes, change.changes)
    return [pair for pair in zip(_HEADINGS, groups, strict=True) if pair[1]]


def versions(offers: Sequence[Offer]) -> str:
    """Their versions, in words."""
    return ", ".join(offer.version for offer in offers)


def _lines(found: Summary) -> Iterator[str]:
    yield f"# {escaped(found.sentence)}\n"
    yield f"Begun {escaped(found.started)}.\n"
    if found.kernels:
        yield from rows_of(_table(found.kernels))
    for one in found.kernels:
        yield from _of_kernel(one)
    if found.left:
        yield f"\nDid not fit into the night's time: {escaped(versions(found.left))}."
    for offer in found.gone:
        parts = escaped(", ".join(offer.lacks))
        yield f"\n{escaped(offer.version)} cannot be run: {parts} is gone."
    if found.given_up:
        yield f"\nGiven up after several nights: {escaped(versions(found.given_up))}."
    yield from (f"\nNot watched: {escaped(problem)}" for problem in found.problems)


def _table(kernels: Sequence[Judged]) -> list[list[str]]:
    rows = [["kernel", "", "verdicts", "against", "what changed"]]
    for one in kernels:
        change = one.change.summary if one.change else "first of its series"
        rows.append([one.offer.version, one.light, one.told, one.before, change])
    return rows


def _of_kernel(one: Judged) -> Iterator[str]:
    groups = changed(one.change)
    if not groups and not one.first:
        return
    yield f"\n## {escaped(one.offer.version)}: {one.light}\n"
    for heading, message in one.first:
        yield f"**{escaped(heading)}**  \n{escaped(message)}\n"
    for heading, differences in groups:
        cells = [[row.row, row.before, row.after, row.message] for row in differences]
        yield from rows_of([[heading, one.before, one.offer.version, "why"], *cells])
        yield ""
