# SPDX-License-Identifier: Apache-2.0
"""The end of a run on the terminal: kernels by scenarios, and what to look at first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from hotremove.report.record import Result
from hotremove.verdict.outcome import Verdict

# Worst first: what one cell shows when several tests share it, and what is told first.
GRAVITY = (
    Verdict.FAIL,
    Verdict.LOST,
    Verdict.ERROR,
    Verdict.KNOWN_BUG,
    Verdict.PASS,
    Verdict.SKIP,
)
_COLOURS = {
    Verdict.FAIL: "red",
    Verdict.LOST: "yellow",
    Verdict.ERROR: "yellow",
    Verdict.KNOWN_BUG: "cyan",
    Verdict.PASS: "green",
}
_SHOWN = 3


def cell(results: Sequence[Result]) -> tuple[str, str]:
    """Text and colour of a cell: the gravest verdict, with the outcome where it explains it."""
    if not results:
        return "", ""
    worst = min(results, key=lambda result: GRAVITY.index(Verdict(result.verdict)))
    told = worst.verdict in (Verdict.FAIL, Verdict.KNOWN_BUG) and worst.outcome
    text = f"{worst.verdict} ({worst.outcome})" if told else worst.verdict
    return text, _COLOURS.get(Verdict(worst.verdict), "")


def table(results: Sequence[Result]) -> list[list[tuple[str, str]]]:
    """Rows of (text, colour): a header of kernels, then a row for each scenario."""
    plain = [result for result in results if not result.fix_off]
    proofs = [result for result in results if result.fix_off]
    kernels = list(dict.fromkeys(result.kernel_label for result in results))
    rows = sorted(dict.fromkeys(result.row for result in results), key=row_order)
    header = [("scenario", "bold"), *((kernel, "bold") for kernel in kernels)]
    body = [[(row, ""), *(cell(_of(plain, row, kernel)) for kernel in kernels)] for row in rows]
    if proofs:
        header.append(("noticed with the fix off", "bold"))
        for line in body:
            line.append(sensitivity([proof for proof in proofs if proof.row == line[0][0]]))
    return [header, *body]


def sensitivity(proofs: Sequence[Result]) -> tuple[str, str]:
    """How many of the runs with the fix turned off failed, as they must."""
    tried = [proof for proof in proofs if proof.verdict != Verdict.SKIP]
    if not tried:
        return "", ""
    proved = sum(proof.verdict == Verdict.PASS for proof in tried)
    return f"{proved} of {len(tried)}", "green" if proved == len(tried) else "red"


def _of(results: Sequence[Result], row: str, kernel: str) -> list[Result]:
    return [result for result in results if (result.row, result.kernel_label) == (row, kernel)]


def row_order(row: str) -> tuple[int, str]:
    """What rows are sorted by: the number, then the title."""
    number = row.split(" ", 1)[0]
    return (int(number) if number.isdigit() else 999, row)


def widths(rows: Sequence[Sequence[tuple[str, str]]]) -> list[int]:
    """Width of each column, in characters."""
    columns = zip_longest(*rows, fillvalue=("", ""))
    return [max(len(text) for text, _ in column) for column in columns]


def highlights(results: Iterable[Result]) -> Iterator[tuple[str, str]]:
    """The first things to look at: a heading and its explanation's first line, gravest first."""
    bad = [r for r in results if r.verdict in (Verdict.FAIL, Verdict.LOST, Verdict.ERROR)]
    bad.sort(key=lambda result: GRAVITY.index(Verdict(result.verdict)))
    seen: set[str] = set()
    for result in bad:
        told = result.message.partition("\n")[0]
        if told not in seen and len(seen) < _SHOWN:
            seen.add(told)
            yield f"{result.kernel_label}, {result.row}: {result.verdict}", told


def tally(results: Sequence[Result]) -> str:
    """How many of each verdict, gravest first."""
    plain = [result for result in results if not result.fix_off]
    counts = ((verdict, sum(r.verdict == verdict for r in plain)) for verdict in GRAVITY)
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts if count)
    score, _ = sensitivity([result for result in results if result.fix_off])
    return f"{told}; sensitivity proved: {score}" if score else told
