# SPDX-License-Identifier: Apache-2.0
"""Entries of a journal and objects of JSON that hold a kernel's messages, as plain lines.

The journal's formats: systemd, docs/JOURNAL_EXPORT_FORMATS.md and systemd.journal-fields(7). JSON:
`journalctl -o json`, `dmesg --json`, Docker's json-file driver, LAVA.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from hotremove.observe.kernellog.logline import LEVELS, SKIPPED, parse_line
from hotremove.observe.kernellog.remembered import Remembered

_TEXTS = ("MESSAGE", "log", "msg", "message")
_CLOCKS = ("_SOURCE_MONOTONIC_TIMESTAMP", "__MONOTONIC_TIMESTAMP")
_ORIGINS = ("_TRANSPORT", "SYSLOG_IDENTIFIER")
_DAEMON = 3  # syslog's facility for programs

_LINE = re.compile(r"(?:data: |\x1e|[-,\[\s]){0,16}(\{\".*\})[],\s]*", re.DOTALL)
_OPENS = re.compile(r"[]},\[\s]*\{\s*")
_CLOSES = re.compile(r"\s*\}[],\s]*(?:\{\s*)?")
_FIELD = re.compile(r"(?: {4})?([A-Z_][A-Z0-9_]{0,63})(?:=.*|\r?)", re.DOTALL)
_LONGEST_NAME = 70  # characters, with blanks
_DECODER = json.JSONDecoder(strict=False)
_LAST = ("", "}", "},")  # lines that may stand below an entry
_CURSOR = "__CURSOR="
_HEAD = re.compile(r"\w{3} \d{4}-\d\d-\d\d \S+ \S+ \[s=")  # of journalctl -o verbose
_LENGTH = re.compile(r".{0,3}?\x00{5,7}", re.DOTALL)  # of a binary field: eight bytes
_PART = re.compile(r'\s*(?:[A-Z_][A-Z0-9_]*=|"\w+" ?: |\d+,?$|\{$)')


def complete(lines: Sequence[str]) -> int:
    """How many of the lines can be read without those to come: up to the last whole entry."""
    at = len(lines)
    if not at or not _PART.match(lines[-1]):
        return at
    while at and lines[at - 1].strip() and not _CLOSES.fullmatch(lines[at - 1]):
        at -= 1
    return at


def read_json_lines(lines: Sequence[str]) -> list[str]:
    """Lines that are a JSON object each; others, and objects without a message, stay."""
    read = [_from_json(line) if '{"' in line else line for line in lines]
    for place, line in enumerate(lines[:-1]):
        if line.startswith("data: {") and not lines[place + 1].strip():
            read[place + 1] = SKIPPED  # what parts server-sent events
    return read


def read_objects(lines: Sequence[str]) -> list[str]:
    """JSON objects that take a line for each key."""
    read = list(lines)
    start: int | None = None
    for place, line in enumerate(lines):
        if start is not None and _CLOSES.fullmatch(line):
            _place(read, start, place, _parsed("{" + "".join(lines[start + 1 : place]) + "}"))
            start = None
        if _OPENS.fullmatch(line):
            start = place
    return read


def read_fields(lines: Sequence[str]) -> list[str]:
    """Entries that take a line for each field: `journalctl -o export` and `-o verbose`."""
    read = list(lines)
    for start, end in _entries(lines):
        _place(read, start, end, _fields(lines[start:end]))
    return read


def _from_json(line: str) -> str:
    found = _LINE.fullmatch(line)
    return (_record(_parsed(found[1])) if found else None) or line


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _place(lines: list[str], start: int, end: int, fields: Mapping[str, Any]) -> None:
    """Put an entry's message where its text stands, and nothing in its other lines."""
    record = _record(fields)
    if record is None:
        return
    holds = _holder(lines, start, end)
    lines[start:end] = [SKIPPED] * (end - start)
    if end < len(lines) and lines[end].strip() in _LAST:
        lines[end] = SKIPPED
    lines[holds] = record


def _holder(lines: Sequence[str], start: int, end: int) -> int:
    """Which line holds one of `_TEXTS`; the first, where none does."""
    for at in range(start, end):
        line = lines[at]
        if "MESSAGE" in line or "log" in line or "msg" in line or "message" in line:
            return at
    return start


def _entries(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where each entry begins and ends (exclusive): one goes on to the next, or a blank line."""
    parted = [
        at
        for at, line in enumerate(lines)
        if not line
        or line.startswith(_CURSOR)
        or line.isspace()
        or (" [s=" in line and _heads(line))
    ]
    for here, following in pairwise((-1, *parted, len(lines))):
        start = here if here >= 0 and _heads(lines[here]) else _first_field(lines, here, following)
        if start is not None:
            yield start, following


def _heads(line: str) -> bool:
    """Whether it is always the first of an entry."""
    return line.startswith(_CURSOR) or (" [s=" in line and _HEAD.match(line) is not None)


def _first_field(lines: Sequence[str], before: int, end: int) -> int | None:
    return next((at for at in range(before + 1, end) if _FIELD.fullmatch(lines[at])), None)


def _fields(lines: Sequence[str]) -> dict[str, str]:
    """Names and values of one entry; a value may take several lines."""
    fields: dict[str, str] = {}
    name = ""
    for line in lines:
        begun, _, value = line.partition("=")
        if known := _FIELD_NAMES[begun] if len(begun) < _LONGEST_NAME else "":
            name = known
            fields[name] = value.rstrip("\r")
        elif name:
            more = line if fields[name] else _LENGTH.sub("", line, count=1)
            fields[name] += f"\n{more.lstrip()}" if fields[name] else more
    return fields if fields.keys() & {*_CLOCKS, *_ORIGINS} else {}


def _field_name(begun: str) -> str:
    """The name of a field, from its line up to the value; nothing where it is none."""
    found = _FIELD.fullmatch(begun)
    return found[1] if found else ""


_FIELD_NAMES = Remembered(_field_name, 1024)


def _record(fields: Mapping[str, Any]) -> str | None:
    """The line that dmesg would show for an entry; None when it holds no message."""
    text = _text(_first(fields, _TEXTS))
    if text is None:
        return None
    text = text.rstrip("\n").replace("\n", "\r")
    if ("[" in text or text[:1].isdigit()) and parse_line(text).seconds is not None:
        return text  # a console that some program wrote to its output
    return f"{_level(fields)}{_stamp(fields)}{text}" or SKIPPED


def _first(fields: Mapping[str, Any], names: Sequence[str], otherwise: object = None) -> Any:
    """The value of the first of these fields that is there."""
    for name in names:
        if name in fields:
            return fields[name]
    return otherwise


def _text(value: object) -> str | None:
    """A message: a text, or the bytes of one that is none."""
    if isinstance(value, list) and all(isinstance(one, int) and 0 <= one < 256 for one in value):
        return bytes(value).decode(errors="replace")
    return value if isinstance(value, str) else None


def _level(fields: Mapping[str, Any]) -> str:
    level = fields.get("PRIORITY", fields.get("pri"))
    origin = _first(fields, _ORIGINS, fields.get("fac", "kern"))
    if level is None and origin == "kernel":
        return ""  # as most are
    number = LEVELS.index(level) if level in LEVELS else _number(level)
    facility = 0 if origin in ("kernel", "kern") else _DAEMON
    if number is None or not 0 <= number < len(LEVELS):
        return f"<{facility << 3 | 6}>" if facility else ""
    return f"<{facility << 3 | int(number)}>"


def _stamp(fields: Mapping[str, Any]) -> str:
    if "MESSAGE" in fields:
        clock = _number(_first(fields, _CLOCKS))
        seconds = clock / 1e6 if clock is not None else None
    else:
        seconds = _number(fields.get("time")) if "msg" in fields else None
    return f"[{seconds:12.6f}] " if seconds is not None and 0 <= seconds < 1e10 else ""


def _number(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, str | int | float) else None
    except (ValueError, OverflowError):
        return None
