# SPDX-License-Identifier: Apache-2.0
"""`hotremove report`, `bundle` and `verify`: what is made of a finished run."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from hotremove.analysis.news import News, news_of, since_last_filed
from hotremove.errors import DataProblem
from hotremove.formats.outputs import FORMATS, files_of
from hotremove.formats.palette import STYLES
from hotremove.formats.terminal import ENDLESS, Glance, lines
from hotremove.results import bundle
from hotremove.results.files import write_all
from hotremove.results.record import Record
from hotremove.results.source import opened, read

if TYPE_CHECKING:
    from argparse import _SubParsersAction

RUN = "results.json, the directory it is in, or a bundle"


def register(subparsers: _SubParsersAction[ArgumentParser]) -> None:
    """Add the commands to the program's subcommands."""
    report = subparsers.add_parser(
        "report",
        help="tell the results of a run in other formats",
        description="Tell the results of a run in other formats; with none, on the terminal."
        " - is standard output. Exit status: 0, or 2 when there is no run or a damaged one.",
    )
    report.add_argument("run", type=Path, metavar="RUN", help=RUN)
    for name in FORMATS:
        report.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"write {name}")
    report.add_argument(
        "--since",
        type=Path,
        metavar="RUN",
        help="say what is new since this run (default: the last one in the history, if any)",
    )
    report.add_argument("--all", action="store_true", help="on the terminal, every row by name")
    report.set_defaults(func=run_report)
    packing = subparsers.add_parser("bundle", help="pack a run and its evidence into one file")
    packing.add_argument("run", type=Path, metavar="DIR", help="what --hotremove-artifacts named")
    packing.add_argument("--output", type=Path, metavar="FILE", help="default: DIR.tar.zst")
    packing.set_defaults(func=run_bundle)
    check = subparsers.add_parser(
        "verify",
        help="check that bundles are as they were packed",
        description="Check bundles. Exit status: 0 all are as packed, 2 one is not.",
    )
    check.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE")
    check.set_defaults(func=run_verify)


def run_report(options: Namespace) -> int:
    """Run `hotremove report`; nothing is written unless everything can be."""
    wanted = {name: path for name in FORMATS if (path := getattr(options, name))}
    with opened(options.run) as source:
        news = _news(options.since, source.record)
        made = [files_of(name, source, path, news) for name, path in wanted.items()]
        write_all({path: content for some in made for path, content in some.items()})
        if not wanted:
            _show(Glance(source.record, news=news, folds=not options.all))
    return 0


def _news(since: Path | None, record: Record) -> News | None:
    if since is None:
        return since_last_filed(record)
    with opened(since) as before:
        return news_of(str(since), before.record, record)


def run_bundle(options: Namespace) -> int:
    """Run `hotremove bundle`."""
    folder = options.run.absolute()
    read(folder, str(options.run))  # a bundle that nobody can read is no evidence
    target = options.output or folder.with_name(folder.name + bundle.SUFFIX)
    if not target.name.endswith(bundle.SUFFIX):
        raise DataProblem(f"{target}: the name of a bundle ends in {bundle.SUFFIX}")
    sums = bundle.pack(folder, target)
    print(f"{target}: {len(sums)} files, {target.stat().st_size / (1 << 20):.1f} MiB")
    return 0


def run_verify(options: Namespace) -> int:
    """Run `hotremove verify`."""
    for path in options.bundles:
        print(f"{path}: {len(bundle.verify(path))} files, all as they were packed")
    return 0


def _show(glance: Glance) -> None:
    console = Console(highlight=False, soft_wrap=True)
    columns = console.width if console.is_terminal else ENDLESS
    for line in lines(replace(glance, columns=columns)):
        console.print(Text.assemble(*((text, STYLES[look]) for text, look in line)))
