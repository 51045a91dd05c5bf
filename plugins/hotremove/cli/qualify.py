# SPDX-License-Identifier: Apache-2.0
"""`hotremove qualify SPEC`: the suite over a backport, a judgement, and the evidence for it."""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from hotremove.analysis.qualification import Decision, Qualification, qualify
from hotremove.cache import Cache
from hotremove.cli.report import RUN
from hotremove.cli.suite import run_suite, split_words, suite_command
from hotremove.errors import UsageProblem
from hotremove.formats.tables import plain_console, plain_table
from hotremove.kernels.spec import parse_one
from hotremove.lineage.changelog import Claims, read_changelog
from hotremove.lineage.changes import find_change
from hotremove.results import bundle
from hotremove.results.files import write_all
from hotremove.results.record import FILE, Record
from hotremove.results.source import opened
from hotremove.results.text import one_line

if TYPE_CHECKING:
    from argparse import _SubParsersAction

# What pytest ends with when it has run every test.
_WHOLE = (0, 1)
_CODES = {Decision.FIT: 0, Decision.UNFIT: 1, Decision.OPEN: 3}


def register(subparsers: _SubParsersAction[ArgumentParser]) -> None:
    """Add the command to the program's subcommands."""
    parser = subparsers.add_parser(
        "qualify",
        help="judge a kernel: which fixes it has, lacks, or has broken",
        description="Run the suite on a kernel, prove that it would have noticed, and judge the"
        " kernel. Exit status: 0 it qualifies, 1 it does not, 2 there is no run or a damaged one,"
        " 3 no verdict (something that the kernel allows was not looked at), 4 wrong input or an"
        " unfit machine.",
    )
    parser.add_argument("kernel", metavar="SPEC", help="the kernel, as for --hotremove-kernel")
    parser.add_argument("--baseline", metavar="SPEC", help="a kernel to hold it against")
    for word in ("has", "lacks"):
        parser.add_argument(
            f"--{word}",
            action="append",
            default=[],
            metavar="HASH",
            help=f"an upstream change that the kernel {word}, whatever its version says",
        )
    parser.add_argument(
        "--changelog",
        type=Path,
        metavar="FILE",
        help="the vendor's changelog (Debian's, RPM's, git log), which says likewise what it has",
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="default: hotremove-qualify-SPEC"
    )
    parser.add_argument("--no-prove", action="store_true", help="do not run it with faults as well")
    parser.add_argument("--results", type=Path, metavar="RUN", help=f"judge a finished run: {RUN}")
    parser.add_argument(
        "--pytest", default="", metavar="WORDS", help="more for pytest: --pytest='-k rdma'"
    )
    parser.set_defaults(func=run)


def run(options: Namespace) -> int:
    """Run `hotremove qualify`."""
    claims = _claims(options)
    if options.results:
        with opened(options.results) as source:
            found = _judge(options, source.record, claims)
        _show(found)
        return _CODES[found.decision]
    folder = _folder(options)
    ended = run_suite(_command(options, claims, folder))
    if not (folder / FILE).is_file():
        # Pytest's 0 and 1 would read as verdicts.
        return _CODES[Decision.OPEN] if ended is None or ended in _WHOLE else ended
    if ended not in _WHOLE:
        print(f"no verdict: the suite was broken off (pytest ended with {ended})")
        return _CODES[Decision.OPEN]
    with opened(folder) as source:
        found = _judge(options, source.record, claims)
        _write(folder, found, source.record)
    _show(found)
    target = folder.with_name(folder.name + bundle.SUFFIX)
    bundle.pack(folder, target)
    print(f"{folder}/qualification.html; all of it in {target}")
    return _CODES[found.decision]


def _claims(options: Namespace) -> Claims:
    """What the vendor says of the kernel."""
    given = ([find_change(one).hash for one in said] for said in (options.has, options.lacks))
    claims = (read_changelog(options.changelog) if options.changelog else Claims()).over(*given)
    if options.changelog:
        told = f"{options.changelog}: {len(claims.has)} changes of the lineage are there"
        print(f"{told}, {len(claims.lacks)} are taken away")
    return claims


def _judge(options: Namespace, record: Record, claims: Claims) -> Qualification:
    return qualify(record, options.kernel, options.baseline, claims.has, claims.lacks)


def _folder(options: Namespace) -> Path:
    """Where everything goes; nothing of another run is there.

    Raises:
        UsageProblem: there is a run.
    """
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", options.kernel).strip("-")
    folder: Path = (options.output or Path(f"hotremove-qualify-{safe}")).absolute()
    if (folder / FILE).exists():
        raise UsageProblem(f"{folder}: there is a run already: give another --output")
    return folder


def _command(options: Namespace, claims: Claims, folder: Path) -> list[str]:
    kernels = [kernel for kernel in (options.kernel, options.baseline) if kernel]
    for kernel in kernels:
        parse_one(kernel, Cache.default())
    words = [] if options.no_prove else ["--hotremove-prove"]
    words += [f"--hotremove-has={one}" for one in sorted(claims.has)]
    words += [f"--hotremove-lacks={one}" for one in sorted(claims.lacks)]
    return suite_command(folder, kernels, *words, *split_words(options.pytest))


def _write(folder: Path, found: Qualification, record: Record) -> None:
    from hotremove.formats.qualification_page import render_html, render_markdown

    write_all(
        {
            folder / "qualification.md": render_markdown(found, record),
            folder / "qualification.html": render_html(found, record),
        }
    )


def _show(found: Qualification) -> None:
    from hotremove.formats.qualification_page import lineage_table

    head, *rows = lineage_table(found.shown)
    console = plain_console()
    console.print(plain_table(head, rows))
    if found.untested:
        hashes = ", ".join(one.change.hash for one in found.untested)
        console.print(f"not testable here: {hashes}", soft_wrap=True)
    for gap in found.gaps:
        console.print(escape(one_line(f"not looked at: {gap}")), soft_wrap=True)
    console.print(f"\n[bold]{escape(one_line(found.sentence))}[/]", soft_wrap=True)
    if found.baseline:
        console.print(f"Against the baseline: {found.baseline.summary}", soft_wrap=True)
