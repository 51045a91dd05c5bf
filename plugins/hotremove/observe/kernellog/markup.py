# SPDX-License-Identifier: Apache-2.0
"""What terminals, syslog daemons, XML and HTML do to the characters of a log."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

TAGS = re.compile(r"<(?:system-|pre\b|span\b|br\b|!\[CDATA)")
"""Where XML or HTML shows; most of its lines show by an `ENTITY` only."""

_COLOUR = re.compile(r"\x1b\[[0-9;?]*[ -/]*[A-Za-z]")
# As pasted: `^[[32m`, `ESC[32m`, `\033[32m`, or with the escape lost, `[32m`.
_PASTED = re.compile(
    r"(?:\^\[|ESC|\\(?:x1b|033|e|u001b))\[[\d;]*[mK]|\[\d{1,2}(?:;\d{1,3}){0,4}m(?!\])"
)
_SYSLOG = re.compile(r"#(?:011|012|015|033)")
_OPENING = re.compile(
    r"\s*(?:<(?:system-out|system-err|pre|code)\b[^<>]*>|<(?:failure|error)\b[^<>]*>(?=.))?"
    r"(?:<!\[CDATA\[)?"
)
_CLOSING = re.compile(
    r"(?:\]\]>)?\s*(?:</(?:system-out|system-err|failure|error|testcase|pre)>){1,8}\s*$"
)
_TAG = re.compile(r"</?(?:span|b|i|a|font|code|p|div|br)(?:\s[^<>]*)?/?>")
ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|nbsp|#\d{1,7}|#[xX][0-9a-fA-F]{1,6});")
"""A character that XML or HTML has another way of writing."""


def strip_colours(lines: Sequence[str]) -> list[str]:
    """Lines without colours."""
    return [_COLOUR.sub("", line) if "\x1b" in line else line for line in lines]


def strip_pasted_colours(lines: Sequence[str]) -> list[str]:
    """Lines without colours that a terminal's escape has become text of."""
    return [
        _PASTED.sub("", line) if "[0m" in line or "[3" in line or "[[" in line else line
        for line in lines
    ]


def decode_syslog(lines: Sequence[str]) -> list[str]:
    """Control characters as rsyslog writes them: `#011` is a tab."""
    return [_SYSLOG.sub(_control, line) if "#0" in line else line for line in lines]


def strip_tags(lines: Sequence[str]) -> list[str]:
    """Text of JUnit's XML or of an HTML page: no tags, characters instead of entities."""
    return [
        _stripped(line) if "<" in line or "&" in line or "]]>" in line else line for line in lines
    ]


def _control(found: re.Match[str]) -> str:
    character = chr(int(found[0][1:], 8))
    return "\r" if character == "\n" else character


def _stripped(line: str) -> str:
    opening = _OPENING.match(line)
    if opening and "<" in opening[0]:
        line = line[opening.end() :]
    line = _TAG.sub("", _CLOSING.sub("", line))
    return ENTITY.sub(lambda found: html.unescape(found[0]), line).replace("\n", "\r")
