# SPDX-License-Identifier: Apache-2.0
"""git, as the farm runs it: it asks nobody anything, and leaves nothing running."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from hotremove import processes
from hotremove.cache import no_space
from hotremove.errors import HostProblem
from hotremove.hosttools import tool

FETCHING = 3600.0
"""Seconds for what moves a kernel's source: a first fetch is 250 MB."""

_SETTINGS = ("protocol.version=2", "gc.autoDetach=false", "maintenance.autoDetach=false")
# What a caller inside of another repository has set, `git bisect run` for one.
_OF_A_CALLER = re.compile(
    r"GIT_(?:DIR|WORK_TREE|INDEX_FILE|COMMON_DIR|PREFIX|NAMESPACE|OBJECT_DIRECTORY"
    r"|ALTERNATE_OBJECT_DIRECTORIES|SHALLOW_FILE|GRAFT_FILE|CEILING_DIRECTORIES)"
)
# What ends with a colon goes on in the next line: `unable to connect to HOST:`.
_MARKED = re.compile(r"^(?:fatal|error|ssh): (.*:\n.*\S|.*\S)", re.MULTILINE)


class GitFailed(HostProblem):
    """git did not do it; the text is the first thing that it says was wrong."""


def words_for(folder: Path | None, *words: str) -> list[str]:
    """The command that runs git in a folder, or in none."""
    settings = [part for one in _SETTINGS for part in ("-c", one)]
    return [tool("git", "git"), *settings, *(("-C", str(folder)) if folder else ()), *words]


def try_git(
    folder: Path | None, *words: str, seconds: float = processes.QUICK
) -> subprocess.CompletedProcess[str]:
    """Run git to its end, which may be a failure.

    Raises:
        HostProblem: git is not installed, or did not end within `seconds`.
    """
    command = words_for(folder, *words)
    return processes.run(command, f"running git {words[0]}", seconds, env=environment())


def git(folder: Path | None, *words: str, seconds: float = processes.QUICK) -> str:
    """What git prints.

    Raises:
        GitFailed: it fails.
        HostProblem: git is not installed, or did not end within `seconds`.
    """
    done = try_git(folder, *words, seconds=seconds)
    if done.returncode:
        raise failure(words[0], done.stderr)
    return done.stdout


def environment() -> dict[str, str]:
    """Without a caller's own repository; nobody is asked for a password."""
    kept = {name: text for name, text in os.environ.items() if not _OF_A_CALLER.fullmatch(name)}
    return {**kept, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"}


def failure(what: str, output: str) -> HostProblem:
    r"""The error for a command that failed, by what git printed.

    Example:
        >>> print(failure("fetch", "warning: x\nfatal: Could not read from remote repository.\n"))
        Could not read from remote repository
    """
    if "No space left on device" in output:
        return no_space(f"running git {what}")
    marked = _MARKED.search(output)
    lines = [line for line in output.splitlines() if line.strip()]
    told = marked[1] if marked else (lines or [f"git {what} fails and says nothing"])[-1]
    return GitFailed(" ".join(told.split()).rstrip("."))
