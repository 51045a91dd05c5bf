# SPDX-License-Identifier: Apache-2.0
"""The atlas for people: Markdown for docs/, and an HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hotremove.analysis.atlas.atlas import Atlas, AtlasRow, Turn
from hotremove.formats.markdown import escaped, rows_of
from hotremove.formats.matrix import MARKS, MOST_WORDS
from hotremove.formats.pages import template
from hotremove.results.naming import row_order

_LICENCE = "<!-- SPDX-License-Identifier: Apache-2.0 -->"


@dataclass(frozen=True)
class Origin:
    """What an atlas was made of.

    Attributes:
        command: what made it.
        day: when, as a date.
        runs: how many runs are in it.
    """

    command: str
    day: str
    runs: int

    def __str__(self) -> str:
        runs = f"{self.runs} run{'' if self.runs == 1 else 's'}"
        return f"Made by `{self.command}` on {self.day} from {runs}."


@dataclass(frozen=True)
class Square:
    """A cell of the page's table.

    Attributes:
        text: how the row came out, in words or by a mark; or why nobody looked.
        title: all of it in words.
        verdict: how it is coloured; empty where there is no result.
        turn: what changed here; None where it is as on the kernel before.
        place: the anchor of that change.
    """

    text: str = ""
    title: str = ""
    verdict: str = ""
    turn: Turn | None = None
    place: str = ""


def render_markdown(atlas: Atlas, origin: Origin) -> str:
    """The atlas as Markdown."""
    return "\n".join(_lines(atlas, origin)) + "\n"


def render_html(atlas: Atlas, origin: Origin) -> str:
    """The atlas as a page: a table of rows by kernels, and each change explained below it."""
    numbers = {id(turn): n for n, turn in enumerate(_turns(atlas), start=1)}
    rows = [(row, squares(row, atlas.kernels, numbers)) for row in atlas.rows]
    return template("atlas.html").render(
        atlas=atlas,
        origin=origin,
        rows=rows,
        turns=list(enumerate(_turns(atlas), start=1)),
        wide=len(atlas.kernels) > MOST_WORDS,
    )


def squares(row: AtlasRow, kernels: Sequence[str], numbers: Mapping[int, int]) -> list[Square]:
    """The cells of a row, one of each kernel."""
    turns = {turn.kernels[1]: turn for turn in row.turns}
    wide = len(kernels) > MOST_WORDS
    return [_square(row, kernel, turns.get(kernel), numbers, wide) for kernel in kernels]


def _square(
    row: AtlasRow, kernel: str, turn: Turn | None, numbers: Mapping[int, int], wide: bool
) -> Square:
    sight = row.seen.get(kernel)
    if sight is None:
        return Square()
    told = "no headers" if sight.lacks_headers else sight.told
    text = MARKS[sight.verdict] if wide else told
    place = f"c{numbers[id(turn)]}" if turn else ""
    return Square(text, f"{kernel}: {told}", sight.verdict, turn, place)


def _turns(atlas: Atlas) -> Iterator[Turn]:
    return (turn for row in atlas.rows for turn in row.turns)


def _lines(atlas: Atlas, origin: Origin) -> Iterator[str]:
    yield _LICENCE
    yield "# Atlas: what each kernel does\n"
    yield f"{origin}\n"
    yield f"{len(atlas.kernels)} kernels: {escaped(', '.join(atlas.kernels))}.\n"
    yield from _findings(atlas)
    yield "## From one kernel to the next\n"
    yield from _steps(atlas)
    yield "\n## Rows that change\n"
    yield from _changing(atlas)
    yield "\n## Rows that come out alike on all of them\n"
    yield from (f"- {escaped(row.row)}: {row.stretches[0].told}" for row in atlas.steady)
    yield from _by_kernel("Not looked at for want of headers", atlas.no_headers)
    yield from _by_kernel("Not looked at for another reason", atlas.unlooked)
    if atlas.waiting:
        yield "\n## Kernels that were not run\n"
        yield from (f"- {escaped(offer.spec)}" for offer in atlas.waiting)
    if atlas.gone:
        yield "\n## Kernels that cannot be run from packages\n"
        gone = [[offer.version, ", ".join(offer.lacks)] for offer in atlas.gone]
        yield from rows_of([["kernel", "gone from the archive"], *gone])


def _findings(atlas: Atlas) -> Iterator[str]:
    if not atlas.findings:
        yield "Each change is explained.\n"
        return
    yield f"## Findings: {len(atlas.findings)} changes that nothing explains\n"
    for turn in atlas.findings:
        pair = f"{turn.kernels[0]}: {turn.seen[0].told}; {turn.kernels[1]}: {turn.seen[1].told}"
        why = turn.seen[1].message or turn.seen[0].message
        yield f"- {escaped(turn.row)}: {escaped(pair)}. {escaped(why)}"
    yield ""


def _steps(atlas: Atlas) -> Iterator[str]:
    """What changes between two kernels by which entry, and how many rows that is."""
    rows: dict[tuple[str, str], list[str]] = {}
    for turn in _turns(atlas):
        rows.setdefault((" to ".join(turn.kernels), str(turn.why)), []).append(turn.row)
    order = {kernel: place for place, kernel in enumerate(atlas.kernels)}
    found = sorted(rows.items(), key=lambda item: order[item[0][0].rpartition(" to ")[2]])
    cells = [[step, why, _numbers(names), str(len(names))] for (step, why), names in found]
    yield from rows_of([["kernels", "because", "rows", "in all their variants"], *cells])


def _numbers(rows: Iterable[str]) -> str:
    return ", ".join(str(number) for number in sorted({row_order(row)[0] for row in rows}))


def _changing(atlas: Atlas) -> Iterator[str]:
    """Each row's stretches; rows that change alike share them."""
    alike: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    for row in atlas.turning:
        alike.setdefault(tuple(_story(row)), []).append(row.row)
    cells = [["rows", "kernels", "comes out", "because"]]
    for story, names in alike.items():
        told = "; ".join(names)
        cells += [["" if place else told, *one] for place, one in enumerate(story)]
    yield from rows_of(cells)


def _story(row: AtlasRow) -> Iterator[tuple[str, ...]]:
    reasons = ["", *(str(turn.why) for turn in row.turns)]
    for stretch, why in zip(row.stretches, reasons, strict=True):
        ends = dict.fromkeys((stretch.first, stretch.last))
        yield " to ".join(ends), stretch.told, why


def _by_kernel(heading: str, rows: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Kernels of which the same rows are missing share a line."""
    alike: dict[Sequence[str], list[str]] = {}
    for kernel, names in rows.items():
        alike.setdefault(names, []).append(kernel)
    if alike:
        yield f"\n## {heading}\n"
    for names, kernels in alike.items():
        yield f"- {escaped(', '.join(kernels))}: {escaped('; '.join(names))}"
