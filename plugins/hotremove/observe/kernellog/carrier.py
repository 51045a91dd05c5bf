# SPDX-License-Identifier: Apache-2.0
"""A kernel log inside something else, made plain: a journal's entries, XML, a quoted mail.

Each stretch of lines is searched for the marks of every wrapping first, so that a plain log costs
next to nothing. As many lines come out as went in, in order: numbers stay those of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from itertools import islice

from hotremove.observe.kernellog.entries import complete, read_fields, read_json_lines, read_objects
from hotremove.observe.kernellog.mail import join_broken, unbroken, unquote
from hotremove.observe.kernellog.markup import (
    ENTITY,
    TAGS,
    decode_syslog,
    strip_colours,
    strip_pasted_colours,
    strip_tags,
)

_STRETCH = 4096  # lines
_LONGEST_WAIT = 16 * _STRETCH  # lines of one entry

# What makes a stretch need it, by its text and the first characters of its lines. In this order:
# colours stand inside everything else, quoting around it. One search of the text for each, and
# none where a single rare character tells: the searches are what a plain log pays.
_Need = Callable[[str, Set[str]], bool]
_WRAPPINGS: tuple[tuple[_Need, Callable[[list[str]], list[str]]], ...] = (
    (lambda text, _: "#01" in text or "#033" in text, decode_syslog),
    (lambda text, _: "\x1b" in text, strip_colours),
    (lambda text, _: "[0m" in text or "^[[" in text, strip_pasted_colours),
    (
        lambda text, firsts: (
            not firsts.isdisjoint(">|#")
            or (" " in firsts and ("\n >" in text or "\n |" in text))
            or ("|" in text and " | " in text)
        ),
        unquote,
    ),
    (lambda text, _: "{" in text and '{"' in text, read_json_lines),
    (lambda text, _: "{" in text and ('"MESSAGE"' in text or '"msg":' in text), read_objects),
    (lambda text, _: "MESSAGE" in text, read_fields),
    (
        lambda text, _: (
            ("<" in text and TAGS.search(text) is not None)
            or ("&" in text and ENTITY.search(text) is not None)
        ),
        strip_tags,
    ),
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
    text, firsts = _marks(lines)
    for is_needed, unwrap in _WRAPPINGS:
        if is_needed(text, firsts) and (unwrapped := unwrap(lines)) != lines:
            lines = unwrapped
            text, firsts = _marks(lines)
    return lines


def _marks(lines: list[str]) -> tuple[str, Set[str]]:
    """The text, and the first characters of its lines."""
    return "\n".join(lines), {line[:1] for line in lines}
