# SPDX-License-Identifier: Apache-2.0
"""The command `hotremove`: what is useful beside pytest."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

import hotremove.cli.atlas
import hotremove.cli.bisect
import hotremove.cli.compare
import hotremove.cli.dmesg
import hotremove.cli.farm
import hotremove.cli.faults
import hotremove.cli.guests
import hotremove.cli.history
import hotremove.cli.kernels
import hotremove.cli.nightly
import hotremove.cli.qualify
import hotremove.cli.report
import hotremove.cli.timing
from hotremove.errors import DataProblem, HotremoveError

USAGE = 4
UNUSABLE = 2
ABORT = 128
# As a shell tells the end by SIGPIPE.
UNHEARD = 141
COMMANDS = (
    hotremove.cli.farm,
    hotremove.cli.guests,
    hotremove.cli.kernels,
    hotremove.cli.dmesg,
    hotremove.cli.bisect,
    hotremove.cli.report,
    hotremove.cli.timing,
    hotremove.cli.compare,
    hotremove.cli.history,
    hotremove.cli.faults,
    hotremove.cli.qualify,
    hotremove.cli.nightly,
    hotremove.cli.atlas,
)


def make_parser() -> argparse.ArgumentParser:
    """The parser with every subcommand; each sets `func`."""
    parser = argparse.ArgumentParser(prog="hotremove", description=__doc__)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in COMMANDS:
        module.register(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives its exit code: 2 for a useless data file, 4 for other wrong input."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # of whatever encoding; a guest prints what it likes
            stream.reconfigure(errors="replace")
    options = _parse(words)
    try:
        code = int(options.func(options))
        sys.stdout.flush()
        return code
    except HotremoveError as error:
        print(f"hotremove: {error}", file=sys.stderr)
        return UNUSABLE if isinstance(error, DataProblem) else USAGE
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `hotremove … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNHEARD
    except SystemExit as end:  # rich ends so, with 1, which is a verdict of some commands
        if isinstance(end.__context__, BrokenPipeError):
            return UNHEARD
        raise


def _parse(words: list[str]) -> argparse.Namespace:
    """The options; `git bisect run` would take argparse's own exit code, 2, for a verdict."""
    try:
        return make_parser().parse_args(words)
    except SystemExit as end:
        if end.code and words[:1] == ["bisect-step"]:
            sys.exit(ABORT)
        raise
