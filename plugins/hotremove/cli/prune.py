# SPDX-License-Identifier: Apache-2.0
"""`hotremove prune`: remove from the cache what has not been used for long, or what is too much."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from hotremove.cache import Cache, entries, remove, surplus
from hotremove.errors import UsageProblem
from hotremove.units import GIB

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

DEFAULT_DAYS = 30.0


def register(subparsers: Subparsers) -> None:
    """Add the command to a parser."""
    parser = subparsers.add_parser("prune", help="remove from the cache what is not used any more")
    parser.add_argument(
        "--older-than",
        type=float,
        metavar="DAYS",
        help=f"what was not used for so long (default without --max-gib: {DEFAULT_DAYS:g})",
    )
    parser.add_argument(
        "--max-gib", type=float, metavar="N", help="what was used longest ago, until N GiB are left"
    )
    parser.set_defaults(func=run)


def run(options: argparse.Namespace) -> int:
    """Print what is removed.

    Raises:
        UsageProblem: a limit is negative.
    """
    days, gib = options.older_than, options.max_gib
    if any(limit is not None and limit < 0 for limit in (days, gib)):
        raise UsageProblem("prune: a limit is not negative")
    if days is None and gib is None:
        days = DEFAULT_DAYS
    cache = Cache.default()
    freed = 0
    for entry in surplus(entries(cache), time.time(), days, gib):
        if remove(cache, entry):
            freed += entry.size
            print(f"{entry.path}: {entry.size / GIB:.2f} GiB")
    print(f"{freed / GIB:.2f} GiB freed")
    return 0
