# SPDX-License-Identifier: Apache-2.0
"""What a guest printed, made fit for a file format. A guest can print any byte."""

from __future__ import annotations

import re

# All but what XML 1.0 allows (https://www.w3.org/TR/xml/#charsets), and of that the C1 control
# characters and the line ends that only some readers take for such.
_FORBIDDEN = re.compile(
    "[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)


def printable(text: str) -> str:
    """The text without control characters; each becomes U+FFFD. Lines end in line feeds."""
    return _FORBIDDEN.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str) -> str:
    """The text as one line, its white space in single blanks."""
    return " ".join(printable(text).split())


def clipped(text: str, longest: int) -> str:
    """The text if it is at most `longest` characters; else its beginning and its end."""
    if len(text) <= longest:
        return text
    gap = "\n[…]\n"
    head = (longest - len(gap)) // 2
    return text[:head] + gap + text[len(text) - (longest - len(gap) - head) :]
