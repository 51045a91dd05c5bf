# SPDX-License-Identifier: Apache-2.0
"""`hotremove time`: where the time of a run went."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hotremove.analysis.timing import Spent, SpentOnTest, by_span, by_test, worth_telling
from hotremove.cli.report import RUN
from hotremove.formats.tables import plain_console, plain_table
from hotremove.results.source import opened

if TYPE_CHECKING:
    from argparse import _SubParsersAction

# Of a test, those that are named.
_MOST = 3


def register(subparsers: _SubParsersAction[ArgumentParser]) -> None:
    """Add the command to the program's subcommands."""
    parser = subparsers.add_parser(
        "time",
        help="tell where the time of a run went",
        description="Tell where the time of a run's tests went: by what was done, and by test."
        " Exit status: 0, or 2 when there is no run or a damaged one.",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help=RUN)
    parser.add_argument(
        "--tests",
        type=int,
        default=20,
        metavar="N",
        help="how many tests, the longest (default 20)",
    )
    parser.set_defaults(func=run_time)


def run_time(options: Namespace) -> int:
    """Run `hotremove time`."""
    console = plain_console()
    with opened(options.run) as source:
        spans, tests = by_span(source.cases), by_test(source.cases)
    whole = sum(one.seconds for one in spans)
    console.print(f"[bold]{whole:.1f} s in {len(tests)} tests[/]")
    console.print(plain_table(("seconds", "%", "times", "what"), span_rows(spans)))
    console.print()
    head = ("seconds", "kernel", "test", "most of it")
    console.print(plain_table(head, test_rows(tests[: options.tests])))
    return 0


def span_rows(spans: Sequence[Spent]) -> Iterator[tuple[str, ...]]:
    """Seconds, their share and how often, by what was done; what hardly counts is left out."""
    whole = sum(one.seconds for one in spans) or 1.0
    for one in worth_telling(spans):
        yield f"{one.seconds:.1f}", f"{100 * one.seconds / whole:.0f}", str(one.times), one.name


def test_rows(tests: Iterable[SpentOnTest]) -> Iterator[tuple[str, ...]]:
    """Seconds of each test, and what most of them went into."""
    for one in tests:
        most = "; ".join(f"{span.name} {span.seconds:.1f}" for span in one.spans[:_MOST])
        yield f"{one.seconds:.1f}", one.kernel, one.row, most
