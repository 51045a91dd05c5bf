# SPDX-License-Identifier: Apache-2.0
"""`hotremove history`: file runs, and see what many of them show together."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hotremove.analysis.summary import tally
from hotremove.cli.compare import REGRESSED, show
from hotremove.cli.report import RUN
from hotremove.formats.tables import plain_console, plain_table
from hotremove.hosttools import from_reports
from hotremove.results.files import write_whole
from hotremove.results.naming import row_order
from hotremove.results.source import opened

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from hotremove.analysis.history import History


def register(subparsers: _SubParsersAction[ArgumentParser]) -> None:
    """Add the command to the program's subcommands."""
    parser = subparsers.add_parser(
        "history",
        help="file runs, and list flakes and trends over many",
        description="File the results of runs in a database and look at many of them together."
        " Exit status: 0; 1 from `add` when the run is worse than the one before; 2 for a database"
        " or a run that cannot be read.",
    )
    parser.add_argument(
        "--db",
        metavar="PLACE",
        help="SQLite file or SQLAlchemy URL (default: HOTREMOVE_HISTORY, else the user's own)",
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    add = actions.add_parser("add", help="file a run, and hold it against the one before")
    add.add_argument("run", type=Path, metavar="RUN", help=RUN)
    add.add_argument("--name", help="what to call it (default: its path)")
    add.add_argument("--page", type=Path, metavar="FILE", help="write a page of all runs, too")
    add.set_defaults(func=_with_history(_add))
    for name, text, action in (
        ("list", "the filed runs", _list),
        ("flakes", "tests that waver on one kernel", _flakes),
        ("trends", "each test over the latest runs", _trends),
        ("page", "write one HTML page of all runs", _page),
    ):
        other = actions.add_parser(name, help=text)
        other.add_argument("--latest", type=_positive, metavar="N", help="only so many runs")
        other.set_defaults(func=_with_history(action))
        if action is _page:
            other.add_argument("file", type=Path, metavar="FILE", help="- is standard output")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _with_history(action: Callable[[Namespace, History], int]) -> Callable[[Namespace], int]:
    def run(options: Namespace) -> int:
        with from_reports("a history"):
            from hotremove.analysis.history import History  # SQLAlchemy takes 0.3 s to load

        with History(options.db) as history:
            return action(options, history)

    return run


def _add(options: Namespace, history: History) -> int:
    from hotremove.analysis.runs import since_last

    with opened(options.run) as source:
        record = source.record
    before = history.runs()
    if not history.add(record, options.name or str(options.run)):
        print(f"{options.run}: filed already")
        found = None
    else:
        print(f"{options.run}: filed in {history.place}: {tally(record.results)}")
        found = since_last(before, record)
    if found:
        show(found)
    if options.page:
        _write_page(options.page, history, None)
    return REGRESSED if found and found.regressions else 0


def _list(options: Namespace, history: History) -> int:
    rows = [
        (
            str(run.number),
            run.record.started[:16].replace("T", " "),
            run.name,
            ", ".join(dict.fromkeys(one.kernel_version for one in run.record.results)),
            tally(run.record.results),
        )
        for run in history.runs(options.latest)
    ]
    _print(("run", "begun", "name", "kernels", "results"), rows)
    return 0


def _flakes(options: Namespace, history: History) -> int:
    from hotremove.analysis.runs import wavering

    rows = [
        (one.row, one.kernel_version, ", ".join(one.verdicts))
        for one in wavering(history.runs(options.latest))
    ]
    _print(("scenario", "kernel", "verdicts, oldest first"), rows)
    return 0


def _trends(options: Namespace, history: History) -> int:
    from hotremove.analysis.runs import trends

    found = sorted(trends(history.runs(options.latest)), key=lambda t: row_order(t.row))
    rows = [
        (
            trend.row,
            trend.kernel,
            trend.marks,
            f"{trend.usual:.1f}",
            f"{trend.latest.duration_s:.1f}" if trend.latest else "",
        )
        for trend in found
    ]
    _print(("scenario", "kernel", "oldest … latest", "usual s", "latest s"), rows)
    if rows:
        print("\n. pass  F fail  k known bug  E error  L lost  s skip")
    return 0


def _page(options: Namespace, history: History) -> int:
    _write_page(options.file, history, options.latest)
    return 0


def _write_page(path: Path, history: History, latest: int | None) -> None:
    from hotremove.formats.history_page import render

    write_whole(path, render(history.runs(latest)))


def _print(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if not rows:
        print("nothing")
        return
    plain_console().print(plain_table(headings, rows, overflow="fold"))
