# SPDX-License-Identifier: Apache-2.0
"""A run in short: kernels by scenarios, and its verdicts counted."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from hotremove.results.naming import in_words, kernel_names, row_order
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

LETTERS = {
    Verdict.PASS: ".",
    Verdict.FAIL: "F",
    Verdict.KNOWN_BUG: "k",
    Verdict.ERROR: "E",
    Verdict.LOST: "L",
    Verdict.BLOCKED: "B",
    Verdict.NOT_RUN: "-",
    Verdict.ABSENT: "a",
    Verdict.NOT_APPLICABLE: "n",
    Verdict.WAIVED: "w",
    Verdict.SKIP: "s",
}
"""A verdict as one character, for terminals of any encoding."""


class Look(StrEnum):
    """How a piece of text is to be seen; formats say by which colour and sign."""

    PLAIN = "plain"
    HEAD = "head"
    FAIL = "fail"
    UNSEEN = "unseen"
    """Nobody has looked at the kernel, though it allows it."""
    KNOWN = "known"


Piece = tuple[str, Look]
"""Text, and how it is to be seen."""
# Heads the column that says how many runs with a fault noticed it.
_FAULTS = "noticed"


def look_of(verdict: str) -> Look:
    """How a verdict is to be seen."""
    if verdict == Verdict.FAIL:
        return Look.FAIL
    if verdict in BAD:
        return Look.UNSEEN
    return Look.KNOWN if verdict == Verdict.KNOWN_BUG else Look.PLAIN


def cell(results: Sequence[Result]) -> Piece:
    """A cell: the gravest verdict, with the outcome where it explains it."""
    if not results:
        return "", Look.PLAIN
    worst = min(results, key=lambda result: GRAVITY.index(Verdict(result.verdict)))
    told = worst.verdict in (Verdict.FAIL, Verdict.KNOWN_BUG) and worst.outcome
    text = f"{worst.verdict} ({worst.outcome})" if told else worst.verdict
    tries = max(len(result.attempts) + 1 for result in results)
    text += f", {tries} tries" if tries > 1 else ""
    return text, look_of(worst.verdict)


def table(results: Sequence[Result]) -> list[list[Piece]]:
    """A header of kernels, then a row for each scenario."""
    proofs = [result for result in results if result.fault]
    plain: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        if not result.fault:
            plain.setdefault((result.row, result.kernel), []).append(result)
    kernels = kernel_names(results)
    rows = sorted(dict.fromkeys(result.row for result in results), key=row_order)
    header = [(text, Look.HEAD) for text in ("scenario", *kernels.values())]
    body = [
        [(row, Look.PLAIN), *(cell(plain.get((row, kernel), ())) for kernel in kernels)]
        for row in rows
    ]
    if proofs:
        header.append((_FAULTS, Look.HEAD))
        for line in body:
            line.append(noticed([proof for proof in proofs if proof.row == line[0][0]]))
    return [header, *body]


def noticed(proofs: Sequence[Result]) -> Piece:
    """How many of the runs with a fault noticed it, as they must.

    One that could not be tried counts among those that did not; where nothing puts
    its fault in force, or the kernel is known to fail the row anyway, there is nothing to try.
    """
    tried = [proof for proof in proofs if proof.verdict not in (*NOT_ALLOWED, Verdict.KNOWN_BUG)]
    if not tried:
        return "", Look.PLAIN
    seen = sum(proof.verdict == Verdict.PASS for proof in tried)
    return f"{seen} of {len(tried)}", Look.PLAIN if seen == len(tried) else Look.FAIL


def verdicts(result: Result) -> str:
    """Those of all tries: `fail, then pass`."""
    return ", then ".join((*result.attempts, result.verdict))


def recorded(results: Sequence[Result]) -> list[str]:
    """What scenarios that accept more than one answer have seen; nothing if there are none.

    Pin paths with the same answer are told together, then kernels are.
    """
    seen = [r for r in results if r.verdict == Verdict.PASS and r.message and not r.fault]
    paths: dict[tuple[str, str, str], dict[str, None]] = {}
    for one in sorted(seen, key=lambda result: row_order(result.row)):
        paths.setdefault((one.scenario, one.message, one.kernel_label), {})[one.pin] = None
    kernels: dict[tuple[str, str], list[str]] = {}
    for (scenario, message, kernel), pins in paths.items():
        named = ", ".join(filter(None, pins))
        row = f"{scenario} [{named}]" if named else scenario
        kernels.setdefault((row, message), []).append(kernel)
    order = list(dict.fromkeys(result.kernel_label for result in results))
    return [f"{row}, {in_words(on, order)}: {told}" for (row, told), on in kernels.items()]


def tally(results: Sequence[Result]) -> str:
    """How many of each verdict, gravest first."""
    plain = [result for result in results if not result.fault]
    counts = ((verdict, sum(r.verdict == verdict for r in plain)) for verdict in GRAVITY)
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts if count)
    flaky = sum(result.flaky for result in results)
    told += f"; {flaky} flaky" if flaky else ""
    score, _ = noticed([result for result in results if result.fault])
    return f"{told}; faults noticed: {score}" if score else told
