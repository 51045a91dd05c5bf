# SPDX-License-Identifier: Apache-2.0
"""The mail about a night: verdict, what changed, the first lines of evidence."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path

from hotremove.analysis.nightly.settings import Mail
from hotremove.analysis.nightly.summary import Judged, Light, Summary
from hotremove.formats.night_page import changed, versions
from hotremove.results.text import one_line

_WIDTH = 72
# The page has the rest.
_MOST_ROWS = 10
_UNIX = SMTP.clone(linesep="\n")


def subject(found: Summary) -> str:
    """`[hot-remove] red: 3 kernels (1 red, 2 green): 6.12.118-1`: the kernels to look at."""
    bad = ", ".join(one.offer.version for one in found.worst)
    return one_line(f"[hot-remove] {found.sentence}{f': {bad}' if bad else ''}")


def compose(found: Summary, mail: Mail, folder: Path) -> bytes:
    """The whole mail, as sendmail takes it; what a guest printed is in single lines of text."""
    message = EmailMessage(policy=_UNIX)
    message["Subject"] = subject(found)
    message["Date"] = format_datetime(datetime.fromisoformat(found.started))
    if mail.sender:
        message["From"] = mail.sender
    if mail.to:
        message["To"] = ", ".join(mail.to)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(_text(found, folder)) + "\n", cte="8bit")
    return message.as_bytes()


def _text(found: Summary, folder: Path) -> Iterator[str]:
    yield one_line(found.sentence)
    for one in (*found.worst, *(each for each in found.kernels if each.light is Light.GREEN)):
        yield from _of_kernel(one)
    yield ""
    if found.left:
        yield f"Did not fit into the night's time: {versions(found.left)}"
    for offer in found.gone:
        yield f"Cannot be run: {offer.version}: {', '.join(offer.lacks)} is gone"
    if found.given_up:
        yield f"Given up after several nights: {versions(found.given_up)}"
    yield from (f"Not watched: {one_line(problem)}" for problem in found.problems)
    yield f"All of it: {folder / 'night.html'}"


def _of_kernel(one: Judged) -> Iterator[str]:
    yield f"\n{one.offer.version}: {one.light}: {one.told}"
    if one.change:
        yield f"  against {one.before}: {one.change.summary}"
    for heading, differences in changed(one.change):
        for row in differences[:_MOST_ROWS]:
            yield f"  {heading}: {row.row}: {row.before}, now {row.after}"
        if len(differences) > _MOST_ROWS:
            yield f"  {heading}: {len(differences) - _MOST_ROWS} more"
    for heading, message in one.first:
        yield f"  {one_line(heading)}"
        yield from textwrap.wrap(
            one_line(message), _WIDTH, initial_indent="    ", subsequent_indent="    "
        )
