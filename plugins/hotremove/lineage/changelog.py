# SPDX-License-Identifier: Apache-2.0
"""Which changes of the lineage a vendor's changelog speaks of.

Read are Debian changelogs, RPM changelogs and the text of `git log` (one line a commit or whole).
An entry counts when its subject is the change's, or when it names the change's hash as what it is
made from. A `Fixes:` line, or a hash in a sentence, speaks of a change without bringing it.
All of these put what is newest first, so the first word on a change is the last.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hotremove.errors import UsageProblem
from hotremove.lineage.changes import Change, changes

_LONGEST = 256 << 20
_BULLET = re.compile(r"\s*[-*+]\s+")
_GIT_HASH = re.compile(r"[0-9a-f]{7,40} (?:\([^)]*\) )?(?=\S)")
# Every way in which an entry names the upstream commit it is made from.
_MADE_FROM = re.compile(
    r"commit (?P<whole>[0-9a-f]{12,40})(?: upstream\.?)?$"
    r"|\[ ?upstream commit (?P<bracketed>[0-9a-f]{12,40})"
    r"|\(cherry[- ]picked from commit (?P<picked>[0-9a-f]{12,40})"
    r"|(?:git|upstream)[- ]commit: ?(?P<named>[0-9a-f]{12,40})",
    re.IGNORECASE,
)
_REVERTS = re.compile(r"this reverts commit ([0-9a-f]{12,40})", re.IGNORECASE)
# The last quotation mark counts: a subject may hold some itself.
_REVERT = re.compile(r'revert:? "(.+)"', re.IGNORECASE)
_REAPPLY = re.compile(r'reapply "(.+)"', re.IGNORECASE)
# What may follow a subject: an author, a ticket, a CVE, a full stop.
_REST = re.compile(r"\.?(?:\s*[(\[{;,].*)?")


@dataclass(frozen=True)
class Claims:
    """What a vendor says of a kernel.

    Attributes:
        has: hashes of the changes it brings.
        lacks: hashes of the changes it takes away again.
    """

    has: frozenset[str] = frozenset()
    lacks: frozenset[str] = frozenset()

    def over(self, has: Iterable[str], lacks: Iterable[str]) -> Claims:
        """These, corrected by what somebody says by hand.

        Raises:
            UsageProblem: by hand a change is said to be there and not to be there.
        """
        given, denied = frozenset(has), frozenset(lacks)
        if both := ", ".join(sorted(given & denied)):
            raise UsageProblem(f"{both}: said to be there (has) and not to be there (lacks)")
        return Claims((self.has - denied) | given, (self.lacks - given) | denied)


def read_changelog(path: Path) -> Claims:
    """What a changelog says; it may be compressed by gzip, as Debian's are.

    Raises:
        UsageProblem: it cannot be read, or is no text.
    """
    try:
        data = path.read_bytes()
        if data.startswith(b"\x1f\x8b"):
            with gzip.open(path) as stream:
                data = stream.read(_LONGEST)
    except (OSError, EOFError, zlib.error) as error:
        told = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise UsageProblem(f"changelog {path}: {told}") from error
    if b"\0" in data:
        raise UsageProblem(f"changelog {path}: this is no text")
    return parse_changelog(data.decode(errors="replace"))


def parse_changelog(text: str) -> Claims:
    """What the text of a changelog says."""
    said: dict[str, bool] = {}
    for entry in _entries(text):
        for change, present in _spoken_of(entry):
            said.setdefault(change.hash, present)
    return Claims(
        frozenset(name for name, present in said.items() if present),
        frozenset(name for name, present in said.items() if not present),
    )


def _entries(text: str) -> Iterator[str]:
    """Lines without bullets; what is indented below a bullet goes on with its line."""
    entry, indent = "", -1
    for line in text.splitlines():
        bullet = _BULLET.match(line)
        depth = len(line) - len(line.lstrip())
        if not bullet and line.strip() and 0 <= indent < depth:
            entry = f"{entry} {line.strip()}"
            continue
        yield entry
        indent = bullet.end() - len(bullet[0].lstrip()) if bullet else -1
        entry = line[bullet.end() :].strip() if bullet else line.strip()
    yield entry


def _spoken_of(entry: str) -> Iterator[tuple[Change, bool]]:
    """Changes that an entry brings, or takes away."""
    if reverts := _REVERTS.match(entry):
        yield from ((change, False) for change in _named(reverts[1]))
    if made_from := _MADE_FROM.match(entry):
        (commit,) = filter(None, made_from.groups())
        yield from ((change, True) for change in _named(commit))
    hashed = _GIT_HASH.match(entry)
    subject, present = _plain(entry[hashed.end() :] if hashed else entry)
    yield from ((change, present) for change in changes() if _is(subject, change))


def _plain(subject: str) -> tuple[str, bool]:
    """The subject that a line is about, and whether the line brings it."""
    if undone := _REVERT.match(subject):
        return undone[1], False
    again = _REAPPLY.match(subject)
    return (again[1] if again else subject), True


def _is(subject: str, change: Change) -> bool:
    """Whether a line is a change's subject, with what vendors add behind."""
    begins = subject.lower().startswith(change.subject.lower())
    return begins and _REST.fullmatch(subject[len(change.subject) :]) is not None


def _named(commit: str) -> Iterator[Change]:
    return (change for change in changes() if commit.startswith(change.hash))
