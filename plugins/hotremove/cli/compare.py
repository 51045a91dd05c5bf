# SPDX-License-Identifier: Apache-2.0
"""`hotremove compare A B`: what got worse between two runs."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from hotremove.analysis.compare import Comparison, compare
from hotremove.analysis.summary import Look
from hotremove.cli.report import RUN
from hotremove.formats.palette import STYLES
from hotremove.formats.tables import plain_console, plain_table
from hotremove.results.source import opened
from hotremove.results.text import one_line

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_SHOWN = 5
REGRESSED = 1
"""Exit status when something got worse."""


def register(subparsers: _SubParsersAction[ArgumentParser]) -> None:
    """Add the command to the program's subcommands."""
    parser = subparsers.add_parser(
        "compare",
        help="say what got worse, better and slower between two runs",
        description="Hold run B against run A. Exit status: 0 nothing got worse, 1 something did,"
        " 2 there is no run or a damaged one.",
    )
    parser.add_argument("before", type=Path, metavar="A", help=f"the earlier run: {RUN}")
    parser.add_argument("after", type=Path, metavar="B", help="the later run")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.set_defaults(func=run)


def run(options: Namespace) -> int:
    """Run `hotremove compare`."""
    with opened(options.before) as before, opened(options.after) as after:
        found = compare(before.record, after.record)
    if options.json:
        print(json.dumps(found.as_json(), indent=1))
    else:
        show(found)
    return REGRESSED if found.regressions else 0


def show(found: Comparison) -> None:
    """Print a comparison for a person."""
    console = plain_console()
    for heading, look, differences in (
        ("worse", Look.FAIL, found.regressions),
        ("better", Look.HEAD, found.fixes),
        ("different", Look.KNOWN, found.changes),
    ):
        if differences:
            console.print(f"[{STYLES[look]}]{heading}[/]")
            rows = (
                (one.row, one.before, one.after, " → ".join(dict.fromkeys(one.kernels)))
                for one in differences
            )
            console.print(plain_table(("scenario", "before", "now", "kernel"), rows))
    for line in _lines(found):
        console.print(escape(one_line(line)))
    console.print(f"[bold]{found.summary}[/]")


def _lines(found: Comparison) -> Iterator[str]:
    for flake in found.flakes:
        yield f"flaky: {flake.row} on {flake.kernel}: {', '.join(flake.verdicts)}"
    for pace in found.paces:
        word = "slower" if pace.after > pace.before else "faster"
        told = f"{pace.before:.1f} s, now {pace.after:.1f} s"
        yield f"{word}: {pace.row} on {pace.kernel}: {told}"
    for one in found.costs:
        kernels = " → ".join(dict.fromkeys(one.kernels))
        told = f"{one.before:.0f}, now {one.after:.0f} instructions a page ({one.percent:+.1f} %)"
        yield f"{'dearer' if one.percent > 0 else 'cheaper'}: {one.pin} on {kernels}: {told}"
    if found.costs and found.counted_by:
        yield f"that need not be the kernel's doing, counted by {'; '.join(found.counted_by)}"
    yield from _some("no longer there", found.gone)
    yield from _some("new", found.added)


def _some(what: str, tests: tuple[str, ...]) -> Iterator[str]:
    yield from (f"{what}: {test}" for test in tests[:_SHOWN])
    if len(tests) > _SHOWN:
        yield f"{what}: {len(tests) - _SHOWN} more tests"
