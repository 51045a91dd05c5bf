# SPDX-License-Identifier: Apache-2.0
"""What a night is to do: nightly.toml; docs/nightly.md explains its keys."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from hotremove import shapes
from hotremove.kernels.variant import join


@dataclass(frozen=True)
class Watch:
    """A source of kernels.

    Attributes:
        suite: a Debian suite; or
        git: a repository, by path or URL.
        versions: of the suite: a pattern (`6.12.*`, `>=6.12.43`).
        branches: of the repository: patterns of names.
        tags: likewise.
        fragments: of the configuration that commits, or the suite's sources, are built with.
        newest: only so many of each stable series; 0 is all.
    """

    suite: str = ""
    git: str = ""
    versions: str = "*"
    branches: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    fragments: tuple[str, ...] = ()
    newest: int = 0

    def __post_init__(self) -> None:
        if bool(self.suite) == bool(self.git):
            raise ValueError("a watch has either `suite` or `git`")
        if self.suite and (self.branches or self.tags):
            raise ValueError("`branches` and `tags` go with `git`")
        if self.git and not (self.branches or self.tags):
            raise ValueError("`git` goes with `branches` or `tags`, or both")
        if self.git and self.versions != "*":
            raise ValueError("`versions` goes with `suite`: `tags` are patterns themselves")
        if self.newest < 0:
            raise ValueError("`newest` is a number of kernels, 0 for all")

    def __str__(self) -> str:
        if not self.suite:
            return f"git:{self.git}"
        scheme = "debian-source" if self.fragments else "debian"
        return join(f"{scheme}:{self.suite}/{self.versions}", self.fragments)


@dataclass(frozen=True)
class Mail:
    """The mail about a night.

    Attributes:
        to: whom it is for.
        sender: who it is from; the machine's sendmail fills it in where it is empty.
        file: where it is written to, below the night's folder.
        send: whether it is given to the machine's sendmail.
    """

    to: tuple[str, ...] = ()
    sender: str = ""
    file: str = "mail.txt"
    send: bool = False

    def __post_init__(self) -> None:
        if self.send and not self.to:
            raise ValueError("`send` needs `to`")
        if Path(self.file).name != self.file:
            raise ValueError("`file` is a name, not a path")
        if any(not mark.isprintable() for word in (*self.to, self.sender) for mark in word):
            raise ValueError("an address is one line")


@dataclass(frozen=True)
class Settings:
    """All of nightly.toml.

    Attributes:
        watch: what is watched.
        output: the folder of all nights, from the file's own.
        history: SQLite file or SQLAlchemy URL; empty for the default place.
        hours: how long a night may take.
        expect: as `--hotremove-expect`.
        prove: whether it is shown that the scenarios would notice, too.
        scenarios: a file or folder of tests, from the file's own; empty for the suite.
        pytest: more words for pytest.
        kcidb: whether a file for a kernel CI database is written.
        mail: the mail.
    """

    watch: tuple[Watch, ...]
    output: str = "nights"
    history: str = ""
    hours: float = 8.0
    expect: Literal["lineage", "strict"] = "lineage"
    prove: bool = False
    scenarios: str = ""
    pytest: str = ""
    kcidb: bool = True
    mail: Mail = Mail()

    def __post_init__(self) -> None:
        if not self.watch:
            raise ValueError("nothing is watched: write a [[watch]]")
        if not self.hours > 0:
            raise ValueError("`hours` is more than nothing")

    @property
    def budget(self) -> float:
        """Seconds that a night may take."""
        return self.hours * 3600


def read_settings(path: Path) -> Settings:
    """The settings in a file; paths in it are from its own folder.

    Raises:
        UsageProblem: it cannot be read, or is not what it should be; one line.
    """
    found = shapes.read_toml(path, Settings)
    folder = path.absolute().parent
    watch = tuple(replace(one, git=_from(folder, one.git)) for one in found.watch)
    return replace(
        found,
        watch=watch,
        output=_from(folder, found.output),
        history=_from(folder, found.history),
        scenarios=_from(folder, found.scenarios),
    )


def _from(folder: Path, place: str) -> str:
    """A path from the folder; URLs, and what git takes for a host and a path, stay as they are."""
    is_elsewhere = not place or "://" in place or ":" in place.partition("/")[0]
    return place if is_elsewhere else str(folder / Path(place).expanduser())
