# SPDX-License-Identifier: Apache-2.0
"""A kernel log inside something else, made plain: a journal's entries, XML, a quoted mail.

Each stretch of lines is searched for the marks of every wrapping first, so that a plain log costs
next to nothing. As many lines come out as went in, in order: numbers stay those of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from hotremove.observe.entries import complete, read_fields, read_json_lines, read_objects
from hotremove.observe.mail import join_broken, unbroken, unquote
from hotremove.observe.markup import decode_syslog, strip_colours, strip_tags

_STRETCH = 4096  # lines
_LONGEST_WAIT = 16 * _STRETCH  # lines of one entry

# In this order: colours stand inside everything else, quoting around it. The first of each is a
# character that most logs have not, to be looked for before the marks.
_WRAPPINGS: tuple[tuple[str, tuple[str, ...], Callable[[list[str]], list[str]]], ...] = (
    ("#", ("#033", "#011", "#012", "#015"), decode_syslog),
    ("\x1b", ("\x1b",), strip_colours),
    ("m", ("[0m",), strip_colours),
    ("|", ("\n|", "\n |", " | "), unquote),
    (">", ("\n>", "\n >"), unquote),
    ("#", ("\n# ",), unquote),
    ("{", ('{"',), read_json_lines),
    ('"', ('"MESSAGE" :', '"MESSAGE":', '"msg":'), read_objects),
    ("=", ("\nMESSAGE=", "\nMESSAGE\n", "\n    MESSAGE="), read_fields),
    ("<", ("<system-", "<![CDATA[", "<pre", "<span", "<br"), strip_tags),
    ("&", ("&lt;", "&gt;", "&amp;", "&#"), strip_tags),
)


def plain_lines(lines: Iterable[str]) -> Iterator[str]:
    """The lines of a kernel log, without what other programs wrapped them in.

    A line that holds no part of a message (a field of a journal's entry, the second half of a line
    that a mailer broke) becomes `logline.SKIPPED`. Where one line holds several messages, carriage
    returns part them, as on a raw console. No text makes it raise.
    """
    waiting: list[str] = []
    for stretch in _stretches(lines):
        waiting += _unwrapped(stretch)
        at = unbroken(waiting)
        yield from join_broken(waiting[:at])
        del waiting[:at]
    yield from join_broken(waiting)


def _stretches(lines: Iterable[str]) -> Iterator[list[str]]:
    """Some thousands of lines at a time, cut where no entry is."""
    feed = iter(lines)
    waiting: list[str] = []
    while stretch := list(islice(feed, _STRETCH)):
        waiting += stretch
        at = complete(waiting) if len(waiting) < _LONGEST_WAIT else len(waiting)
        if at:
            yield waiting[:at]
            del waiting[:at]
    yield waiting


def _unwrapped(lines: list[str]) -> list[str]:
    text = "\n".join(["", *lines])
    for character, marks, unwrap in _WRAPPINGS:
        if character in text and any(mark in text for mark in marks):
            lines = unwrap([line.rstrip("\r\n") for line in lines])
            text = "\n".join(["", *lines])
    return lines
