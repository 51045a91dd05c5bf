# SPDX-License-Identifier: Apache-2.0
"""`hotremove nightly nightly.toml`: what is new of what is watched, run, filed, and told."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from hotremove.analysis.nightly.settings import Settings, Watch, read_settings
from hotremove.analysis.nightly.state import (
    WHOLE,
    Ran,
    State,
    earlier,
    read_state,
    unfinished,
    write_state,
)
from hotremove.cache import Cache
from hotremove.cli.night_run import run_offer
from hotremove.errors import HostProblem, HotremoveError, UsageProblem
from hotremove.formats.tables import plain_console, plain_table
from hotremove.hosttools import from_reports
from hotremove.kernels.offers import debian, git
from hotremove.kernels.offers.offer import Offer
from hotremove.progress import say
from hotremove.results.record import FILE
from hotremove.results.source import read

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from hotremove.analysis.history import FiledRun, History

# What pytest ends with when somebody has interrupted it: the night is over, and goes on later.
_INTERRUPTED = 2
_CODES = {"green": 0, "red": 1, "open": 3}


def register(subparsers: _SubParsersAction[ArgumentParser]) -> None:
    """Add the command to the program's subcommands."""
    parser = subparsers.add_parser(
        "nightly",
        help="run the suite over what is new of the kernels that are watched",
        description="Look at sources of kernels, run the suite over those that the history has"
        " no run of, file the results, hold each against the kernel before it in its series, and"
        " tell of it by a page and a mail. A night that was broken off goes on. Exit status: 0"
        " green, or nothing is new; 1 red; 3 open: something could not be run or looked at;"
        " 2 or 4 wrong input or an unfit machine; 130 interrupted.",
    )
    parser.add_argument("settings", type=Path, metavar="FILE", help="nightly.toml")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be run, in this order; run nothing"
    )
    parser.set_defaults(func=run)


def run(options: Namespace) -> int:
    """Run `hotremove nightly`."""
    settings = read_settings(options.settings)
    with from_reports("a history"):
        from hotremove.analysis.history import History  # SQLAlchemy takes 0.3 s to load

    with History(settings.history or None) as history:
        if options.dry_run:
            _show(_begin(settings, history.runs()))
            return 0
        with _alone(Path(settings.output)):
            return _night(settings, history)


@contextmanager
def _alone(nights: Path) -> Iterator[None]:
    """Be the only night of this folder.

    Raises:
        HostProblem: another one is under way.
        UsageProblem: the folder cannot be made.
    """
    try:
        nights.mkdir(parents=True, exist_ok=True)
        with FileLock(nights / ".lock", timeout=0):
            yield
    except Timeout:
        raise HostProblem(f"{nights}: another night is under way") from None
    except OSError as error:
        raise UsageProblem(f"{nights}: {error.strerror}") from error


def _night(settings: Settings, history: History) -> int:
    nights = Path(settings.output)
    folder = unfinished(nights)
    if folder:
        state = read_state(folder)
        say(f"{folder.name}: broken off with {len(state.left)} kernels left: going on")
    else:
        state = _begin(settings, history.runs())
        folder = _new_folder(nights, state.started)
        write_state(folder, state)
    state = _run_all(settings, history, folder, state)
    return _tell(settings, history, folder, state)


def _begin(settings: Settings, filed: list[FiledRun]) -> State:
    """What a new night is to do."""
    from hotremove.analysis.nightly.plan import divide, fresh, in_order

    offers: list[Offer] = []
    problems = []
    for watch in settings.watch:
        try:
            offers += _offered(watch)
        except HotremoveError as error:
            problems.append(f"{watch}: {error}")
    new = in_order(fresh(offers, filed))
    fit, gone, given_up = map(tuple, divide(new, earlier(Path(settings.output))))
    started = datetime.now(UTC).isoformat(timespec="seconds")
    return State(started, fit, gone, given_up, tuple(problems))


def _offered(watch: Watch) -> list[Offer]:
    from hotremove.analysis.nightly.plan import newest_of_each

    if watch.suite and watch.fragments:
        cache = Cache.default()
        found = debian.offered_to_build(watch.suite, cache, watch.versions, watch.fragments)
    elif watch.suite:
        found = debian.offered(watch.suite, Cache.default(), watch.versions)
    else:
        found = git.offered(watch.git, watch.branches, watch.tags, watch.fragments)
    return newest_of_each(found, watch.newest)


def _new_folder(nights: Path, started: str) -> Path:
    """A folder of the night's own, named by when it began."""
    folder = nights / started[:19].replace(":", "-")
    try:
        folder.mkdir()
    except OSError as error:
        raise UsageProblem(f"{folder}: {error.strerror}") from error
    return folder


def _run_all(settings: Settings, history: History, folder: Path, state: State) -> State:
    """Run what fits into the night's time, and file it."""
    for ran in state.ran:  # one that died before it had filed
        _file(history, folder, ran)
    for offer in state.left:
        room = settings.budget - state.spent
        if room <= 0 or (state.ran and room < state.longest):
            break
        begun = time.monotonic()
        fetched = debian.as_fetched(offer, Cache.default())
        place, ended = run_offer(fetched, settings, folder, room)
        if ended == _INTERRUPTED:
            raise KeyboardInterrupt
        ran = Ran(offer.spec, place, ended, time.monotonic() - begun)
        state = state.with_run(ran)
        write_state(folder, state)
        _file(history, folder, ran)
    return state


def _file(history: History, folder: Path, ran: Ran) -> None:
    """File a whole run; a history takes each once."""
    if ran.ended in WHOLE and (folder / ran.folder / FILE).is_file():
        record = read(folder / ran.folder, ran.folder).record
        history.add(record, f"{folder.name}/{ran.folder}")


def _tell(settings: Settings, history: History, folder: Path, state: State) -> int:
    from hotremove.analysis.nightly.summary import summarise
    from hotremove.cli.night_reports import send, write_reports

    sources = {
        ran.folder: read(folder / ran.folder, ran.folder)
        for ran in state.ran
        if (folder / ran.folder / FILE).is_file()
    }
    records = {name: source.record for name, source in sources.items()}
    found = summarise(state, history.runs(), lambda ran: records.get(ran.folder))
    write_reports(found, settings, folder, list(sources.values()))
    write_state(folder, replace(state, finished=True))
    print(f"{found.sentence}\n{folder}/night.html")
    if settings.mail.send:
        send(folder / settings.mail.file)
    return _CODES[found.light]


def _show(state: State) -> None:
    rows = [
        (offer.version, offer.spec, "" if offer.modules else "no headers: without modules")
        for offer in state.offers
    ]
    rows += [(one.version, one.spec, f"gone: {', '.join(one.lacks)}") for one in state.gone]
    rows += [(one.version, one.spec, "given up") for one in state.given_up]
    if rows:
        table = plain_table(("version", "kernel", ""), rows, overflow="fold")
        plain_console().print(table)
    else:
        print("nothing is new")
    for problem in state.problems:
        print(problem)
