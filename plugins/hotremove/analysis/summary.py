# SPDX-License-Identifier: Apache-2.0
"""The end of a run on the terminal: kernels by scenarios, and what to look at first."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from hotremove.results.naming import kernel_names, row_order
from hotremove.results.record import Result
from hotremove.verdict.verdict import BAD, NOT_ALLOWED, Verdict

# Worst first: what one cell shows when several tests share it, and what is told first.
GRAVITY = (
    Verdict.FAIL,
    Verdict.LOST,
    Verdict.ERROR,
    Verdict.BLOCKED,
    Verdict.NOT_RUN,
    Verdict.KNOWN_BUG,
    Verdict.WAIVED,
    Verdict.PASS,
    Verdict.NOT_APPLICABLE,
    Verdict.ABSENT,
    Verdict.SKIP,
)
_COLOURS = {
    Verdict.FAIL: "red",
    Verdict.LOST: "yellow",
    Verdict.ERROR: "yellow",
    Verdict.BLOCKED: "yellow",
    Verdict.NOT_RUN: "yellow",
    Verdict.KNOWN_BUG: "cyan",
    Verdict.WAIVED: "purple",
    Verdict.PASS: "green",
}
# Heads the column that says how many runs with a fault noticed it.
_FAULTS = "noticed"
# The scenario's column, in characters, is no narrower than this on a narrow terminal.
_NARROWEST = 24
# So many things to look at are told; the table has the rest.
_MOST_THINGS = 3


def cell(results: Sequence[Result]) -> tuple[str, str]:
    """Text and colour of a cell: the gravest verdict, with the outcome where it explains it."""
    if not results:
        return "", ""
    worst = min(results, key=lambda result: GRAVITY.index(Verdict(result.verdict)))
    told = worst.verdict in (Verdict.FAIL, Verdict.KNOWN_BUG) and worst.outcome
    text = f"{worst.verdict} ({worst.outcome})" if told else worst.verdict
    tries = max(len(result.attempts) + 1 for result in results)
    text += f", {tries} tries" if tries > 1 else ""
    return text, _COLOURS.get(Verdict(worst.verdict), "")


def table(results: Sequence[Result]) -> list[list[tuple[str, str]]]:
    """Rows of (text, colour): a header of kernels, then a row for each scenario."""
    proofs = [result for result in results if result.fault]
    plain: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        if not result.fault:
            plain.setdefault((result.row, result.kernel), []).append(result)
    kernels = kernel_names(results)
    rows = sorted(dict.fromkeys(result.row for result in results), key=row_order)
    header = [("scenario", "bold"), *((name, "bold") for name in kernels.values())]
    body = [
        [(row, ""), *(cell(plain.get((row, kernel), ())) for kernel in kernels)] for row in rows
    ]
    if proofs:
        header.append((_FAULTS, "bold"))
        for line in body:
            line.append(noticed([proof for proof in proofs if proof.row == line[0][0]]))
    return [header, *body]


def noticed(proofs: Sequence[Result]) -> tuple[str, str]:
    """How many of the runs with a fault noticed it, as they must.

    One that could not be tried counts among those that did not; where nothing puts
    its fault in force, or the kernel is known to fail the row anyway, there is nothing to try.
    """
    tried = [proof for proof in proofs if proof.verdict not in (*NOT_ALLOWED, Verdict.KNOWN_BUG)]
    if not tried:
        return "", ""
    seen = sum(proof.verdict == Verdict.PASS for proof in tried)
    return f"{seen} of {len(tried)}", "green" if seen == len(tried) else "red"


def widths(rows: Sequence[Sequence[tuple[str, str]]]) -> list[int]:
    """Width of each column, in characters."""
    columns = zip_longest(*rows, fillvalue=("", ""))
    return [max(len(text) for text, _ in column) for column in columns]


def wrapped(
    rows: Sequence[Sequence[tuple[str, str]]], columns: int
) -> Iterator[list[tuple[str, str]]]:
    """The rows for a terminal of so many columns: the scenario's text takes more lines if it must.

    Each row's last lines have text in their first cell only.
    """
    others = sum(width + 2 for width in widths(rows)[1:])
    room = max(columns - others - 1, _NARROWEST)
    for (name, colour), *cells in rows:
        first, *more = textwrap.wrap(name, room, subsequent_indent="   ") or [""]
        yield [(first, colour), *cells]
        yield from ([(line, colour)] for line in more)


def highlights(results: Iterable[Result]) -> Iterator[tuple[str, str]]:
    """The first things to look at, gravest first: a heading, and why in a line."""
    for first, *alike in things_to_see(results):
        more = f" ({len(alike)} more alike)" if alike else ""
        heading = f"{first.kernel_label}, {first.row}: {verdicts(first)}{more}"
        yield heading, first.message.partition("\n")[0] or _WAVERS


def things_to_see(results: Iterable[Result]) -> list[list[Result]]:
    """Tests to look at, gravest first; those alike are one thing, told by the first row of them.

    Alike are tests that fail on one kernel for one cause.
    """
    things: dict[tuple[str, ...], list[Result]] = {}
    for result in sorted(filter(_is_remarkable, results), key=_urgency):
        things.setdefault((result.kernel, result.verdict, _cause(result)), []).append(result)
    return list(things.values())[:_MOST_THINGS]


def verdicts(result: Result) -> str:
    """Those of all tries: `fail, then pass`."""
    return ", then ".join((*result.attempts, result.verdict))


_WAVERS = "tries of one test ended in different ways: the farm is to be suspected before the kernel"
# Page frames, processes and sizes differ where the cause does not.
_NUMBER = re.compile(r"0x[0-9a-f]+|\d+")
_CHANGE = re.compile(r"(?:fixed upstream by|the kernel has) ([0-9a-f]{12})")


def _is_remarkable(result: Result) -> bool:
    return result.verdict in BAD or result.flaky


def _urgency(result: Result) -> tuple[int, tuple[int, str]]:
    return GRAVITY.index(Verdict(result.verdict)), row_order(result.row)


def _cause(result: Result) -> str:
    """What several failures have in common: the upstream change, or the words but for numbers."""
    found = _CHANGE.search(result.message)
    return found[0] if found else _NUMBER.sub("", result.message.partition("\n")[0])


def recorded(results: Iterable[Result]) -> list[str]:
    """What scenarios that accept more than one answer have seen; nothing if there are none."""
    seen = [r for r in results if r.verdict == Verdict.PASS and r.message and not r.fault]
    seen.sort(key=lambda result: row_order(result.row))
    lines = [f"{one.row}, {one.kernel_label}: {one.message}" for one in seen]
    return list(dict.fromkeys(lines))


def tally(results: Sequence[Result]) -> str:
    """How many of each verdict, gravest first."""
    plain = [result for result in results if not result.fault]
    counts = ((verdict, sum(r.verdict == verdict for r in plain)) for verdict in GRAVITY)
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts if count)
    flaky = sum(result.flaky for result in results)
    told += f"; {flaky} flaky" if flaky else ""
    score, _ = noticed([result for result in results if result.fault])
    return f"{told}; faults noticed: {score}" if score else told
