# SPDX-License-Identifier: Apache-2.0
"""A bare mirror of a repository in the cache: the commits that were asked for, and no more.

It is shallow; commits share their objects. Of a history it has what `git describe` was told by.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from hotremove import processes
from hotremove.cache import Cache, digest
from hotremove.kernels.repository.command import FETCHING, environment, git, try_git, words_for
from hotremove.processes import Child

KIND = "git"
_ABBREVIATED = range(7, 40)


@dataclass(frozen=True)
class Mirror:
    """A mirror; what writes to it is called within `open_mirror`."""

    folder: Path

    def commit(self, name: str) -> str | None:
        """The hash of the commit that a name means here."""
        words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        done = try_git(self.folder, *words)
        return None if done.returncode else done.stdout.strip()

    def kept(self, commit: str) -> str | None:
        """The hash of a commit that was fetched; its beginning will do."""
        whole = self.commit(commit) if len(commit) in _ABBREVIATED else commit
        return self.commit(f"refs/kept/{whole}") if whole else None

    def remembered(self, ref: str) -> str | None:
        """The commit that a ref meant when it was last asked for."""
        return self.commit(_asked(ref)) or self.kept(ref)

    def remember(self, ref: str, commit: str) -> None:
        """Note what a ref means, and keep the commit when it means another."""
        git(self.folder, "update-ref", _asked(ref), commit)
        git(self.folder, "update-ref", f"refs/kept/{commit}", commit)

    def fetch(self, place: str, wanted: str, ref: str, *depth: str) -> str | None:
        """Fetch a full name or hash of `place`; the commit, which is None for other objects.

        Raises:
            GitFailed: it is not to be had.
        """
        self.fetch_as(_asked(ref), place, wanted, *depth)
        commit = self.commit(_asked(ref))
        if commit:
            self.remember(ref, commit)
        return commit

    def fetch_as(self, name: str, place: str, wanted: str, *depth: str) -> None:
        """The same for a full name of the mirror's own."""
        words = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", *depth, "--", place)
        git(self.folder, *words, f"+{wanted}:{name}", seconds=FETCHING)

    def leads_to(self, tag: str, commit: str) -> bool:
        """Whether the way from a tag to a commit is known."""
        words = ("merge-base", "--is-ancestor", tag, commit)
        return try_git(self.folder, *words).returncode == 0

    def text(self, commit: str, file: str) -> str:
        """A file of a commit, empty where it is not there."""
        return try_git(self.folder, "show", f"{commit}:{file}").stdout

    @contextmanager
    def archive(self, commit: str) -> Iterator[Child]:
        """A commit's files as a tar archive, which the child prints, in one folder."""
        words = words_for(self.folder, "archive", "--format=tar", "--prefix=linux/", commit)
        what = f"reading commit {commit[:12]}"
        with processes.started(words, what, FETCHING, env=environment()) as child:
            yield child


@contextmanager
def open_mirror(place: str, cache: Cache) -> Iterator[Mirror]:
    """The mirror of the repository at `place`, made where there is none; for one run at a time.

    Raises:
        HostProblem: git is not installed, or the cache cannot be written.
    """
    key = digest(place)
    cache.directory(KIND)
    with cache.lock(KIND, key):
        folder = cache.path(KIND, key)
        git(None, "init", "--quiet", "--bare", "--template=", str(folder))
        os.utime(folder)  # in use, for `hotremove prune`
        yield Mirror(folder)


def describe(folder: Path, commit: str) -> str | None:
    """What `git describe` says in a repository: by annotated tags, else by all; None without."""
    for words in ((), ("--tags",)):
        done = try_git(folder, "describe", "--abbrev=12", *words, commit)
        if done.returncode == 0:
            return done.stdout.strip()
    return None


def _asked(ref: str) -> str:
    return f"refs/asked/{quote(ref, safe='')}"
