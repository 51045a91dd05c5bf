# SPDX-License-Identifier: Apache-2.0
"""Programs of this machine, and Python packages that not every installation has."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from hotremove.errors import HostProblem
from hotremove.hosttools import packages


def find_tool(name: str) -> str | None:
    """The path of a program, also of those that an ordinary user's PATH leaves out."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def tool(name: str, package: str) -> str:
    """The path of a program that is needed.

    Raises:
        HostProblem: it is not installed; the message names the package that has it, where
            `package` is its name in Debian.
    """
    found = find_tool(name)
    if not found:
        raise HostProblem(f"{name} is missing: {packages.advice(package)}")
    return found


@contextmanager
def from_reports(what: str) -> Iterator[None]:
    """Imports in the block may be of packages that come with the extra `reports`.

    Raises:
        HostProblem: one is not installed; the message says for `what`, and how to get it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        lacks = f"{what} takes {error.name}: pip install 'pytest-hotremove[reports]'"
        raise HostProblem(lacks) from error
