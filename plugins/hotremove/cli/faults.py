# SPDX-License-Identifier: Apache-2.0
"""`hotremove faults RUN...`: which faults of a kernel the suite notices, by which rows, and how."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from hotremove.analysis.faults import HEAD, Matrix, matrices, remarks, sentence, table
from hotremove.cli.report import RUN
from hotremove.cli.suite import run_suite, split_words, suite_command
from hotremove.errors import DataProblem, UsageProblem
from hotremove.faults.fault import ALL, find_faults
from hotremove.formats.markdown import escaped, rows_of
from hotremove.formats.tables import plain_console, plain_table
from hotremove.results.record import FILE, read_whole
from hotremove.results.source import opened
from hotremove.results.text import one_line
from hotremove.verdict.verdict import Verdict

if TYPE_CHECKING:
    from argparse import _SubParsersAction

ONE_VARIANT = "--hotremove-one-variant"
"""What has one variant of each scenario run with each fault."""
# What pytest ends with when it has run every test.
_WHOLE = (0, 1)


def register(subparsers: _SubParsersAction[ArgumentParser]) -> None:
    """Add the command to the program's subcommands."""
    parser = subparsers.add_parser(
        "faults",
        help="say which faults the suite notices, by which rows, and how",
        description="Put runs with faults (--hotremove-prove, --hotremove-faults) together. Exit"
        " status: 0 each fault that could be had was noticed by a row, and by no control that"
        " should not; 1 otherwise; 2 there is no run or a damaged one, or it has no faults.",
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help=RUN)
    parser.add_argument("--markdown", action="store_true", help="print Markdown instead of tables")
    make = parser.add_argument_group("to make the runs first, a folder for each fault below RUN")
    make.add_argument(
        "--kernel",
        action="append",
        default=[],
        metavar="SPEC",
        help="run the suite on this kernel; what is whole below RUN is not run again; repeatable",
    )
    make.add_argument("--faults", default=ALL, metavar="NAME[,NAME]", help="default: all")
    make.add_argument(
        "--every-variant",
        action="store_true",
        help="run each variant of a scenario with each fault; default: one, which chance chooses"
        " among those that name the fault",
    )
    make.add_argument("--pytest", default="", metavar="WORDS", help="more for pytest: '-n 2'")
    parser.set_defaults(func=run)


def run(options: Namespace) -> int:
    """Run `hotremove faults`."""
    runs = _make(options) if options.kernel else options.runs
    with ExitStack() as sources:
        found = matrices(sources.enter_context(opened(run)).record for run in runs)
    if not found:
        raise DataProblem(f"{options.runs[0]}: no run with a fault: give pytest --hotremove-prove")
    for matrix in found:
        if options.markdown:
            print("\n".join(markdown(matrix)))
        else:
            _show(matrix)
    return 0 if all(matrix.is_whole for matrix in found) else 1


def _make(options: Namespace) -> list[Path]:
    """The folders of runs, one for each fault; those that are not whole are run.

    Raises:
        UsageProblem: there are several places for them, or no such fault.
    """
    if len(options.runs) > 1:
        raise UsageProblem("--kernel: give one RUN, the folder that the runs are to be in")
    words = [] if options.every_variant else [ONE_VARIANT]
    words += split_words(options.pytest)
    faults = find_faults(options.faults.split(","), "--faults")
    folders = [options.runs[0].absolute() / fault.name for fault in faults]
    for folder in folders:
        if not is_whole(folder, options.kernel, options.every_variant):
            command = suite_command(folder, options.kernel, f"--hotremove-faults={folder.name}")
            ended = run_suite([*command, *words])
            if ended not in _WHOLE:
                told = f"the suite was broken off (pytest ended with {ended})"
                raise UsageProblem(f"{folder}: {told}; the same command goes on")
    return [folder for folder in folders if (folder / FILE).exists()]


def is_whole(folder: Path, kernels: Sequence[str], every_variant: bool = False) -> bool:
    """Whether a run on these kernels is in a folder, and was not broken off.

    With `every_variant`, one of a variant of each scenario is not.
    """
    try:
        record = read_whole(folder / FILE)
    except DataProblem:
        return False
    if every_variant and ONE_VARIANT in record.environment.get("command", "").split():
        return False
    ran = {one.kernel for one in record.results if one.verdict != Verdict.NOT_RUN}
    return ran >= {*kernels} and all(one.verdict != Verdict.NOT_RUN for one in record.results)


def _show(matrix: Matrix) -> None:
    console = plain_console()
    console.print(plain_table(HEAD, table(matrix), overflow="fold"))
    for line in remarks(matrix):
        console.print(escape(one_line(line)))
    console.print(f"[bold]{escape(one_line(sentence(matrix)))}[/]")


def markdown(matrix: Matrix) -> Iterator[str]:
    """The same for a page of docs/."""
    yield f"### {escaped(matrix.kernel)}\n"
    yield f"{escaped(sentence(matrix))}.\n"
    yield from rows_of([HEAD, *table(matrix)])
    yield ""
    yield from (f"- {escaped(line)}" for line in remarks(matrix))
    yield ""
