# SPDX-License-Identifier: Apache-2.0
"""`hotremove dmesg FILE…`: find the kernel's reports in any log."""

from __future__ import annotations

import gc
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hotremove.errors import HotremoveError, UsageProblem
from hotremove.formats.tables import plain_console
from hotremove.observe.kernellog.allowance import Allowance, Judged, judge, load_allowances
from hotremove.observe.kernellog.packing import BROKEN
from hotremove.observe.kernellog.report import Report, Reports
from hotremove.observe.kernellog.symbolise import DebugInfo, symbolise
from hotremove.observe.logfile import read_file, read_stream
from hotremove.observe.pagedump import DumpedPages, count, group_alike, often, page_facts

if TYPE_CHECKING:
    from argparse import _SubParsersAction

# New objects after which Python looks for cycles. What is kept of a log has none and is much: at
# the usual 700 the looking takes a seventh of the time.
_COLLECT = 50_000

FOUND = 1
"""Exit status when a report fails that nothing allows."""

UNUSABLE = 2
"""Exit status when a file cannot be read or an option is wrong; the other files are read."""

_MANY = 20  # sorts of dumped pages explained, unless all is asked for
_ROWS = 200  # reports shown one by one
_COLOURS = {"splat": "bold red", "note": "yellow"}


def register(subparsers: _SubParsersAction[ArgumentParser]) -> None:
    """Add the `dmesg` command to the program's subcommands."""
    parser = subparsers.add_parser(
        "dmesg",
        help="find the reports of a kernel that went wrong in a log",
        description="Find panics, oopses, warnings, stalls and the like in kernel logs of any form:"
        " dmesg, journalctl, syslog, consoles, CI, quoted in mail. Exit status: 0 nothing that"
        " fails, 1 a report that fails, 2 a file that cannot be read.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a log; - for standard input")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--full", action="store_true", help="print each report's whole text")
    parser.add_argument("--notes", action="store_true", help="show reports that only inform, too")
    parser.add_argument("--allow", type=Path, metavar="TOML", help="an allow file")
    parser.add_argument("--kernel", default="", metavar="VERSION", help="for the allow file")
    parser.add_argument("--scenario", default="", metavar="NAME", help="for the allow file")
    parser.add_argument(
        "--decode",
        type=Path,
        metavar="SCRIPT",
        help="scripts/decode_stacktrace.sh of a kernel tree; needs --vmlinux",
    )
    parser.add_argument("--vmlinux", type=Path, metavar="FILE", help="kernel with debug info")
    parser.add_argument("--modules", type=Path, metavar="DIR", help="modules with debug info")
    parser.set_defaults(func=run)


def run(options: Namespace) -> int:
    """Run `hotremove dmesg`; the exit status is returned."""
    try:
        allowances = load_allowances(options.allow) if options.allow else ()
        debug = _debug_info(options)
    except HotremoveError as error:
        return _complain(error)
    results, status = [], 0
    for name in options.files:
        try:
            results.append(_examine(name, allowances, debug, options))
        except HotremoveError as error:
            status = _complain(error)  # and go on with the other files
    if options.json:
        print(json.dumps([_as_json(*result) for result in results], indent=1))
    else:
        _show(results, options)
    return status or (FOUND if any(judged.failing for _, judged, _ in results) else 0)


def _complain(error: HotremoveError) -> int:
    print(f"hotremove dmesg: {error}", file=sys.stderr)
    return UNUSABLE


def _debug_info(options: Namespace) -> DebugInfo | None:
    if not options.decode:
        return None
    if not options.vmlinux:
        raise UsageProblem("--decode needs --vmlinux")
    return DebugInfo(options.decode, options.vmlinux, modules=options.modules)


def _examine(
    name: str, allowances: Sequence[Allowance], debug: DebugInfo | None, options: Namespace
) -> tuple[str, Judged, DumpedPages]:
    """The file's name, what was found in it, and the pages that were dumped."""
    with _seldom_collecting():
        reports, pages = _read(name)
    if debug:
        reports[:] = [replace(one, text=symbolise(one.text, debug)) for one in reports]
    judged = judge(
        reports,
        allowances,
        today=date.today(),
        kernel=options.kernel,
        scenario=options.scenario,
    )
    return name, judged, pages


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    usual = gc.get_threshold()
    gc.set_threshold(_COLLECT, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _read(name: str) -> tuple[Reports, DumpedPages]:
    try:
        return read_stream(sys.stdin.buffer) if name == "-" else read_file(Path(name))
    except UsageProblem as problem:
        raise UsageProblem(f"{name} is {problem}") from None
    except BROKEN as error:
        raise UsageProblem(f"cannot read {name} to its end: it is damaged ({error})") from None
    except OSError as error:
        raise UsageProblem(f"cannot read {name}: {error.strerror or error}") from None


def _as_json(name: str, judged: Judged, pages: DumpedPages) -> dict[str, Any]:
    reasons = {id(report): str(by) for report, by in judged.allowed}
    reports = [*judged.failing, *(report for report, _ in judged.allowed), *judged.notes]
    reports.sort(key=lambda report: (report.start, report.end))
    return {
        "file": name,
        "reports": [{**asdict(one), "allowed": reasons.get(id(one))} for one in reports],
        "pages": [page_facts(page) for page in pages.pages],
        "pages_left_out": pages.left_out,
        "expired": [str(one) for one in judged.expired],
        "unused": [str(one) for one in judged.unused],
        "left_out": judged.left_out,
    }


def _show(results: Iterable[tuple[str, Judged, DumpedPages]], options: Namespace) -> None:
    console = plain_console()
    for name, judged, pages in results:
        shown = [(one, "") for one in judged.failing]
        shown += [(one, f" [dim](allowed: {escape(by.reason)})[/]") for one, by in judged.allowed]
        shown += _summed_up(judged.notes) if options.notes else []
        shown.sort(key=lambda pair: (pair[0].start, pair[0].end))
        console.print(f"[bold]{escape(name)}[/]: {_summary(judged, pages)}")
        if shown:
            console.print(_table(shown))
        for report, _ in shown if options.full else ():
            console.print(f"\n[bold]{escape(report.title)}[/]")
            print(report.text)
        _show_pages(console, pages, None if options.full else _MANY)
        for kind, allowances in (("expired", judged.expired), ("unused", judged.unused)):
            for allowance in allowances:
                console.print(f"  {kind} allowance: {escape(str(allowance))}")


def _summed_up(notes: Iterable[Report]) -> list[tuple[Report, str]]:
    """The first of the notes that say the same, and how often they came."""
    alike: dict[tuple[str, str], list[Report]] = {}
    for note in notes:
        alike.setdefault((note.kind, note.title), []).append(note)
    return [
        (same[0], f", {times}" if times else "")
        for same in alike.values()
        for times in [often(len(same), same[0].seconds, same[-1].seconds)]
    ]


def _show_pages(console: Console, pages: DumpedPages, most: int | None) -> None:
    sorts = group_alike(pages.pages)
    for alike in sorts[:most]:
        console.print(f"  {escape(str(alike))}")
    left = sum(len(alike.pages) for alike in sorts[most:]) if most else 0
    if left or pages.left_out:
        console.print(f"  and {count(left + pages.left_out, 'more page dump')}")


def _summary(judged: Judged, pages: DumpedPages) -> str:
    counts = {"failing": judged.failing, "allowed": judged.allowed, "informative": judged.notes}
    said = [f"{len(found)} {word}" for word, found in counts.items() if found]
    if judged.left_out:
        said.append(f"{judged.left_out} more of the same")
    if pages.pages:
        said.append(count(len(pages.pages), "dumped page"))
    return ", ".join(said) if said else "nothing found"


def _rows(shown: Sequence[tuple[Report, str]]) -> list[tuple[Report, str]]:
    """Every report and the remark on it; of very many, the first with each fingerprint."""
    if len(shown) <= _ROWS:
        return list(shown)
    alike: dict[str, list[tuple[Report, str]]] = {}
    for pair in shown:
        alike.setdefault(pair[0].fingerprint, []).append(pair)
    rows = []
    for same in alike.values():
        (first, remark), (last, _) = same[0], same[-1]
        times = f", {len(same)} times, the last in line {last.start}" if last is not first else ""
        rows.append((first, times + remark))
    return rows


def _table(shown: Sequence[tuple[Report, str]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("lines", "kind", "report, and its fingerprint"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("lines", "kind"))
    for report, remark in _rows(shown):
        kind = f"{report.kind}{' (panic)' if report.panicked and report.kind != 'panic' else ''}"
        table.add_row(
            f"{report.start}-{report.end}",
            f"[{_COLOURS[report.severity]}]{kind}[/]",
            f"{escape(report.title)}{remark}\n[dim]{escape(report.fingerprint)}[/]",
        )
    return table
