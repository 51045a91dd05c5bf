# SPDX-License-Identifier: Apache-2.0
"""Programs of this machine."""

from __future__ import annotations

import os
import shutil

from hotremove.errors import HostProblem


def find_tool(name: str) -> str | None:
    """The path of a program, also of those that an ordinary user's PATH leaves out."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def tool(name: str, package: str) -> str:
    """The path of a program that is needed.

    Raises:
        HostProblem: it is not installed; the message names the Debian package that has it.
    """
    found = find_tool(name)
    if not found:
        raise HostProblem(f"{name} is missing: install the package {package}")
    return found
