# SPDX-License-Identifier: Apache-2.0
"""One test as pages show it."""

from __future__ import annotations

import base64
from collections import Counter
from dataclasses import dataclass, replace
from urllib.parse import quote

from hotremove.formats.excerpt import Line, Words, excerpt, words
from hotremove.formats.picture import Bar, draw, longest
from hotremove.observe.kernellog.report import Report
from hotremove.observe.pagedump import PageDump
from hotremove.results.case import Case
from hotremove.results.naming import title
from hotremove.results.record import Result
from hotremove.verdict.verdict import BAD, Verdict

_MOST_DUMPS = 5
# Moments of the picture beside a red cell; that of the test has all.
_MOST_BARS = 8
_PICTURE_BYTES = 2 << 20
# Lines of the log's end that are shown of a good test, and of another.
_TAIL = {True: 40, False: 400}


@dataclass(frozen=True)
class Held:
    """Dumped pages that are held alike, and what holds them."""

    told: str
    dumps: tuple[PageDump, ...]

    @property
    def shown(self) -> tuple[PageDump, ...]:
        """Those that are named."""
        return self.dumps[:_MOST_DUMPS]

    @property
    def left_out(self) -> int:
        """How many are not."""
        return len(self.dumps) - len(self.shown)


@dataclass(frozen=True)
class View:
    """One test as it is shown; `anchor` is its place on the page, or in the `file` beside it."""

    anchor: str
    case: Case
    file: str = ""

    @property
    def link(self) -> str:
        """Where the page leads to for it."""
        return f"{quote(self.file)}#{self.anchor}"

    @property
    def result(self) -> Result:
        """What the test said."""
        return self.case.result

    @property
    def title(self) -> str:
        """The scenario with all it was run over."""
        return title(self.result)

    @property
    def is_bad(self) -> bool:
        """Whether somebody has to look at it."""
        return self.result.verdict in BAD

    @property
    def bars(self) -> tuple[Bar, ...]:
        """Its timeline."""
        return draw(self.case.timeline)

    @property
    def strip(self) -> tuple[Bar, ...]:
        """What of its timeline took longest."""
        return longest(self.bars, _MOST_BARS)

    @property
    def words(self) -> Words:
        """What its kernel says of it, in a few lines."""
        dumps = [page.dump for page in self.case.pages]
        return words(self.case.log, self.case.reports, dumps, self.result.message)

    @property
    def reports(self) -> list[tuple[Report, int]]:
        """The first of each kind of report, and how often it came."""
        counts = Counter(report.fingerprint for report in self.case.reports)
        first = {report.fingerprint: report for report in reversed(self.case.reports)}
        by_place = sorted(first.values(), key=lambda report: report.start)
        return [(report, counts[report.fingerprint]) for report in by_place]

    @property
    def dumps(self) -> list[Held]:
        """What holds the dumped pages; pages that are held alike are told together."""
        alike: dict[str, list[PageDump]] = {}
        for page in self.case.pages:
            unnamed = replace(page, dump=replace(page.dump, pfn=None))
            alike.setdefault(unnamed.explanation, []).append(page.dump)
        return [Held(told, tuple(dumps)) for told, dumps in alike.items()][-_MOST_DUMPS:]

    @property
    def log(self) -> list[Line]:
        """What is shown of the kernel's messages."""
        good = not self.is_bad and self.result.verdict != Verdict.KNOWN_BUG
        wanted = [dump.start for held in self.dumps for dump in held.shown]
        return excerpt(self.case.log, self.case.reports, wanted, _TAIL[good])

    @property
    def pictures(self) -> tuple[tuple[str, str], ...]:
        """Names and contents, as data URLs, of the plots it left."""
        small = (p for p in self.case.pictures if p.stat().st_size <= _PICTURE_BYTES)
        return tuple((path.stem, data_url(path.read_bytes())) for path in small)


def data_url(picture: bytes, kind: str = "png") -> str:
    """A picture as a page can hold it; `kind` is of its media type."""
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
