# SPDX-License-Identifier: Apache-2.0
"""Where a kernel's commits come from: a repository of this machine, or one behind a URL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Protocol

from hotremove.errors import HostProblem, UsageProblem
from hotremove.kernels.repository import mirror
from hotremove.kernels.repository.command import GitFailed, git, try_git
from hotremove.kernels.repository.mirror import Mirror
from hotremove.progress import say, waiting

# As git tells them apart (git-fetch(1), GIT URLS).
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.+|[^/]+:.+")
_HASH = re.compile(r"[0-9a-f]{40}")
_BEGINNING = re.compile(r"[0-9a-f]{7,39}")
# In the order of gitrevisions(7). What a clone calls origin/x is the branch x of what was cloned.
_PLACES = ("{}", "refs/{}", "refs/tags/{}", "refs/heads/{}", "refs/remotes/{}")
_ORIGIN = "origin/"
_TAGS = "refs/tags/"
_PEELED = "^{}"
# Seconds: a server counts its refs; a checkout of Linux has 90,000 files to look at.
_ASKING = 120.0
_LOOKING = 600.0


class Origin(Protocol):
    """A repository that somebody else keeps."""

    @property
    def place(self) -> str:
        """Where git finds it."""
        ...

    def check(self, ref: str | None) -> None:
        """Find out whether there is something to build, and fetch nothing.

        Raises:
            UsageProblem: there is no such ref, or what is there is not committed.
            HostProblem: it cannot be reached.
        """
        ...

    def find(self, ref: str | None, kept: Mirror) -> str:
        """The hash of the commit that a ref means (None: the default), in the mirror from now on.

        Raises:
            UsageProblem: there is no such ref, or what is there is not committed.
            HostProblem: it cannot be reached, and the mirror does not have it.
        """
        ...

    def describe(self, commit: str, tag: str, kept: Mirror) -> str | None:
        """What `git describe` says there of a commit; `tag` is that of the kernel's version."""
        ...


def find_origin(text: str) -> Origin:
    """The repository that a path or a URL names.

    Raises:
        UsageProblem: the path leads to none.
    """
    path = Path(text).expanduser()
    if not path.exists() and _URL.fullmatch(text):
        return Server(text)
    if not path.is_dir():
        raise UsageProblem(f"git:{text}: there is no folder {path}")
    try:
        told = git(path, "rev-parse", "--path-format=absolute", "--git-common-dir")
    except GitFailed as error:
        raise UsageProblem(f"git:{text}: {path} is not for git: {error}") from error
    return Here(path, told.removesuffix("\n"))


class Here:
    """A repository or worktree of this machine: each of git's spellings for a commit will do."""

    def __init__(self, folder: Path, place: str) -> None:
        self.folder = folder
        self.place = place

    def check(self, ref: str | None) -> None:
        """As Origin has it."""
        self._commit(ref)

    def find(self, ref: str | None, kept: Mirror) -> str:
        """As Origin has it."""
        commit = self._commit(ref)
        if not kept.kept(commit):
            with waiting(f"copying {ref or commit[:12]} of {self.folder} into the cache"):
                kept.fetch(self.place, commit, commit, "--depth=1")
        return commit

    def describe(self, commit: str, tag: str, kept: Mirror) -> str | None:
        """As Origin has it."""
        return mirror.describe(self.folder, commit)

    def _commit(self, ref: str | None) -> str:
        if ref is None:
            self._refuse_changes()
        words = ("--verify", "--quiet", "--end-of-options", f"{ref or 'HEAD'}^{{commit}}")
        done = try_git(self.folder, "rev-parse", *words)
        if done.returncode:
            raise unknown(str(self.folder), ref)
        return done.stdout.strip()

    def _refuse_changes(self) -> None:
        """Commits are built: whoever has changed a file would take another kernel for theirs."""
        words = ("status", "--porcelain", "--untracked-files=no")
        changed = try_git(self.folder, *words, seconds=_LOOKING).stdout
        if changed:
            file = changed.splitlines()[0][3:]
            raise UsageProblem(
                f"git:{self.folder} has changes that are not committed ({file}): commit them, or"
                f" write git:{self.folder}#HEAD for what is"
            )


class Server:
    """A repository behind a URL, of which refs and whole hashes can be asked for."""

    def __init__(self, place: str) -> None:
        self.place = place

    def check(self, ref: str | None) -> None:
        """As Origin has it."""
        if not _HASH.fullmatch(ref or "") and self._named(ref) is None:
            raise unknown(self.place, ref)

    def find(self, ref: str | None, kept: Mirror) -> str:
        """As Origin has it."""
        wanted = ref or "HEAD"
        if _HASH.fullmatch(wanted):
            return kept.kept(wanted) or self._fetch(wanted, wanted, kept)
        try:
            return self._follow(wanted, kept)
        except Unreachable as error:
            commit = kept.remembered(wanted)
            if commit is None:
                raise
            say(f"{error}; using {wanted} as it was, {commit[:12]}")
            return commit

    def describe(self, commit: str, tag: str, kept: Mirror) -> str | None:
        """As Origin has it."""
        with suppress(GitFailed, Unreachable):
            self._fetch_way(commit, f"{_TAGS}{tag}", kept)
        return mirror.describe(kept.folder, commit)

    def _follow(self, ref: str, kept: Mirror) -> str:
        """The commit that a ref means there today."""
        named = self._named(ref)
        if named is None:
            if _BEGINNING.fullmatch(ref) and (commit := kept.kept(ref)):
                return commit
            raise unknown(self.place, ref)
        commit = kept.kept(self._refs[named])
        if commit:
            kept.remember(ref, commit)
        return commit or self._fetch(ref, named, kept)

    def _fetch(self, ref: str, wanted: str, kept: Mirror) -> str:
        try:
            with waiting(f"fetching {ref} of {self.place}"):
                commit = kept.fetch(self.place, wanted, ref, "--depth=1")
        except GitFailed as error:
            raise Unreachable(f"{self.place} does not give {ref}: {error}") from error
        if commit is None:
            raise UsageProblem(f"git:{self.place}: {ref} is no commit")
        return commit

    def _fetch_way(self, commit: str, tag: str, kept: Mirror) -> None:
        """Have the mirror know the commit's tag, or the history since that of its version."""
        exact = [n for n, meant in self._refs.items() if meant == commit and n.startswith(_TAGS)]
        tag = exact[0] if exact else tag
        if tag not in self._refs or kept.leads_to(tag, commit):
            return
        with waiting(f"fetching the history of {commit[:12]} since {tag.removeprefix(_TAGS)}"):
            kept.fetch_as(tag, self.place, tag, "--depth=1")
            if not exact:
                way = f"refs/ways/{commit}"
                kept.fetch_as(way, self.place, commit, f"--shallow-exclude={tag}")
                kept.fetch_as(way, self.place, commit, "--deepen=1")  # the tag itself

    def _named(self, ref: str | None) -> str | None:
        """The full name of a ref."""
        wanted = ref or "HEAD"
        names = [place.format(wanted) for place in _PLACES]
        if wanted.startswith(_ORIGIN):
            names.append(f"refs/heads/{wanted.removeprefix(_ORIGIN)}")
        return next((name for name in names if name in self._refs), None)

    @cached_property
    def _refs(self) -> Mapping[str, str]:
        """The refs and the commits that they mean, HEAD first."""
        try:
            with waiting(f"asking {self.place} for its branches and tags"):
                told = git(None, "ls-remote", "--quiet", "--", self.place, seconds=_ASKING)
        except GitFailed as error:
            raise Unreachable(f"{self.place} cannot be reached: {error}") from error
        return read_refs(told)


class Unreachable(HostProblem):
    """A repository does not answer: what the mirror has may still do."""


def read_refs(text: str) -> dict[str, str]:
    r"""The commits by the full names of refs, out of what `git ls-remote` prints.

    Example:
        >>> read_refs("1f\trefs/tags/v6.1\n2a\trefs/tags/v6.1^{}\n")
        {'refs/tags/v6.1': '2a'}
    """
    pairs = [line.split("\t", 1) for line in text.splitlines() if "\t" in line]
    plain = {name: commit for commit, name in pairs if not name.endswith(_PEELED)}
    peeled = {name.removesuffix(_PEELED): commit for commit, name in pairs}
    return {name: peeled.get(name, commit) for name, commit in plain.items()}


def unknown(place: str, ref: str | None) -> UsageProblem:
    """The error for a ref that a repository does not have."""
    return UsageProblem(f"git:{place}#{ref or 'HEAD'}: there is no such tag, branch or commit")
