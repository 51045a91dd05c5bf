# SPDX-License-Identifier: Apache-2.0
"""Commits of a git repository that its branches and tags name, by patterns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from hotremove import processes
from hotremove.errors import HostProblem, UsageProblem
from hotremove.hosttools import tool
from hotremove.kernels.offers.offer import Offer
from hotremove.kernels.variant import join

_REF = re.compile(r"([0-9a-f]{40,64})\trefs/(heads|tags)/(\S+)")
# An annotated tag comes twice: as itself, and peeled, as the commit it names.
_PEELED = "^{}"
# Seconds. git waits for a server of its own accord for as long as it likes.
_PATIENCE = 300.0


@dataclass(frozen=True)
class Ref:
    """A branch (`heads`) or a tag (`tags`), and the commit it names."""

    kind: str
    name: str
    commit: str


def offered(
    repository: str,
    branches: Sequence[str] = (),
    tags: Sequence[str] = (),
    fragments: Sequence[str] = (),
) -> tuple[Offer, ...]:
    """The commits that fitting branches and tags name, each once.

    Args:
        repository: a path or a URL.
        branches: patterns, `linux-6.12.y`.
        tags: patterns, `v6.12.*`.
        fragments: of the kernel's configuration, as `git:REPO#REF+FRAGMENT` has them.

    Raises:
        UsageProblem: there is no such repository.
        HostProblem: it cannot be reached.
    """
    patterns = {"heads": branches, "tags": tags}
    fitting = [
        ref
        for ref in parse_refs(_listed(repository))
        if any(fnmatchcase(ref.name, pattern) for pattern in patterns[ref.kind])
    ]
    named = {ref.commit: ref for ref in sorted(fitting, key=lambda ref: ref.kind)}
    return tuple(_offer(repository, ref, fragments) for ref in named.values())


def parse_refs(text: str) -> Iterator[Ref]:
    """Branches and tags from what `git ls-remote` prints; annotated tags by their commits."""
    found = {(kind, name): commit for commit, kind, name in _REF.findall(text)}
    for (kind, name), commit in found.items():
        if not name.endswith(_PEELED):
            yield Ref(kind, name, found.get((kind, name + _PEELED), commit))


def _offer(repository: str, ref: Ref, fragments: Sequence[str]) -> Offer:
    """A commit; its version has the fragments behind it, which make another kernel of it."""
    version, date = _described(repository, ref)
    spec = f"git:{repository}#{ref.commit}"
    return Offer(join(spec, fragments), join(version, fragments), date)


def _listed(repository: str) -> str:
    command = [tool("git", "git"), "ls-remote", "--heads", "--tags", "--", repository]
    what = f"asking {repository} for its branches and tags"
    done = processes.run(command, what, _PATIENCE)
    if done.returncode == 0:
        return done.stdout
    told = " ".join(done.stderr.split()) or "git does not say why"
    problem = HostProblem if "://" in repository else UsageProblem
    raise problem(f"git:{repository}: {told.removeprefix('fatal: ')}")


def _described(repository: str, ref: Ref) -> tuple[str, str]:
    """Version and date of a commit: as a repository at hand has them, else by the ref's name."""
    if not Path(repository).is_dir():
        name = ref.name if ref.kind == "tags" else f"{ref.name}-{ref.commit[:12]}"
        return version_of(name), ""
    told = _asked(repository, "describe", "--tags", "--always", "--abbrev=12", ref.commit)
    return version_of(told), _asked(repository, "show", "-s", "--format=%cI", ref.commit)


def version_of(described: str) -> str:
    """What results call a commit: `6.12.50-3-g0123456789ab`, without the tag's `v`."""
    told = described.removeprefix("v")
    return told if re.match(r"\d+\.\d+", told) else described


def _asked(repository: str, *words: str) -> str:
    command = [tool("git", "git"), "-C", repository, *words]
    return processes.run(command, f"asking {repository} for a commit", _PATIENCE).stdout.strip()
