# SPDX-License-Identifier: Apache-2.0
"""`hotremove atlas HISTORY`: which rows change from one kernel to the next, and why."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hotremove.cache import Cache
from hotremove.errors import DataProblem
from hotremove.formats.tables import plain_console, plain_table
from hotremove.hosttools import from_reports
from hotremove.kernels.offers import debian
from hotremove.results.files import write_all

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from hotremove.analysis.atlas.atlas import Atlas
    from hotremove.analysis.history import FiledRun

_FINDINGS = 1


def register(subparsers: _SubParsersAction[ArgumentParser]) -> None:
    """Add the command to the program's subcommands."""
    parser = subparsers.add_parser(
        "atlas",
        help="say which rows change from one kernel to the next, and by which upstream change",
        description="Put the kernels of a history in order, and explain by the lineage each row"
        " that comes out otherwise from one to the next. Exit status: 0 all is explained, 1 a"
        " change is not, 2 the history cannot be read, 4 wrong input.",
    )
    parser.add_argument("history", metavar="HISTORY", help="SQLite file or SQLAlchemy URL")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write atlas.md")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write atlas.html")
    parser.add_argument(
        "--lineage",
        type=Path,
        metavar="FILE",
        help="write the table of lineage.md: each entry with the kernels that show it",
    )
    parser.add_argument(
        "--scheme",
        action="append",
        default=[],
        metavar="SCHEME",
        help="only kernels of such specs (default: all): debian",
    )
    parser.add_argument(
        "--suite",
        action="append",
        default=[],
        metavar="SUITE",
        help="name the kernels of a Debian suite that were not run or cannot be, too",
    )
    parser.set_defaults(func=run)


def run(options: Namespace) -> int:
    """Run `hotremove atlas`; nothing is written unless everything can be."""
    with from_reports("a history"):
        from hotremove.analysis.history import History
    from hotremove.analysis.atlas.atlas import chart
    from hotremove.analysis.atlas.sight import sights

    if "://" not in options.history and not Path(options.history).is_file():
        raise DataProblem(f"{options.history}: there is no history")
    offers = [one for suite in options.suite for one in debian.offered(suite, Cache.default())]
    with History(options.history) as history:
        runs = history.runs()
    atlas = chart(sights(runs, options.scheme), offers)
    write_all(_files(options, atlas, runs))
    _show(atlas)
    return _FINDINGS if atlas.findings else 0


def _files(options: Namespace, atlas: Atlas, runs: list[FiledRun]) -> dict[Path, str | bytes]:
    from hotremove.formats.atlas_page import Origin, render_html, render_markdown
    from hotremove.formats.lineage_page import render_table

    words = ["hotremove atlas", Path(options.history).name]
    words += [f"--{name} {value}" for name in ("scheme", "suite") for value in vars(options)[name]]
    origin = Origin(" ".join(words), f"{datetime.now(UTC):%Y-%m-%d}", len(runs))
    made: dict[Path, str | bytes] = {}
    if options.markdown:
        made[options.markdown] = render_markdown(atlas, origin)
    if options.html:
        made[options.html] = render_html(atlas, origin)
    if options.lineage:
        made[options.lineage] = render_table(atlas, origin, runs)
    return made


def _show(atlas: Atlas) -> None:
    rows = [
        (
            turn.row,
            " → ".join(turn.kernels),
            " → ".join(sight.told for sight in turn.seen),
            str(turn.why),
        )
        for row in atlas.turning
        for turn in row.turns
    ]
    console = plain_console()
    if rows:
        console.print(plain_table(("row", "kernels", "comes out", "because"), rows))
    told = f"{len(atlas.kernels)} kernels, {len(atlas.turning)} rows change"
    console.print(f"{told}, {len(atlas.findings)} changes are unexplained")
