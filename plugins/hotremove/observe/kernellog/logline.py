# SPDX-License-Identifier: Apache-2.0
"""One line of a kernel log, whatever carried it: console, dmesg, /dev/kmsg, syslog, a CI's log.

The forms are those of dmesg (util-linux, sys-utils/dmesg.c), journalctl (systemd,
src/shared/logs-show.c), rsyslog's templates, and what CI and containers put before each line.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from hotremove.observe.kernellog.remembered import Remembered

LEVELS = ("emerg", "alert", "crit", "err", "warn", "notice", "info", "debug")
"""Names of printk's and syslog's levels, by number."""

LONGEST_RECORD = 4096
"""Characters of one record that are read; printk's own limit is about 1,000 (LOG_LINE_MAX)."""

SKIPPED = "\x00"
"""Stands for a line of a file that holds no message, so that the numbers of others stay right."""

_ANSI = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_]|c|\(B)")
_AGO = (
    r"<[ ]*\+?\d{1,10}\.\d{3,9}[ ]?>"  # what dmesg --show-delta and journalctl -o short-delta add
)
_STAMP = rf"\[ *(?:\+?\d{{1,10}}\.\d{{3,9}} *(?:{_AGO})?|{_AGO})\]"
_CALLER = r"\[ *[TC]\d+(?:\([^)]*\))?\]"

_CLOCK = r"\d\d:\d\d:\d\d"
# Names of days and months are those of the reader's language: `[五 11月 27 12:00:00 2026]`.
_DMESG_DATE = rf"""
        \d{{4}}-\d\d-\d\dT{_CLOCK},\d{{6}}[+-]\d\d:?\d\d[ ]                  # --time-format iso
      | \[\w+\.?[ ]\w+\.?[ ]+\d{{1,2}}[ ]{_CLOCK}(?:[ ][A-Z]+)?[ ]\d{{4}}(?:[ ]{_AGO})?\][ ]?  # -T
      | \[\w{{1,6}}\.?[ ]{{0,2}}\d{{1,2}}[ ]\d\d:\d\d\][ ]?           # -H, first of a minute
"""
# The first is journalctl's short-full.
_DATE = rf"""
        [A-Z][a-z]{{2}}[ ]\d{{4}}-\d\d-\d\d[ ]{_CLOCK}(?:\.\d+)?[ ](?:[A-Z]+|[+-]\d+)[ ]
      | \[?\d{{4}}-\d\d-\d\d[T ]{_CLOCK}(?:\.\d+|,\d{{3}}(?:\d{{6}})?)?
        [ ]?(?:Z|UTC|[+-]\d\d:?\d\d)?\]?(?:[ \t]|$)
        (?:std(?:out|err)[ ][FP][ ]|\d\d[OE][ +])?                           # Kubernetes, GitLab
      | (?:[A-Z][a-z]{{2}}[ ])?[A-Z][a-z]{{2}}[ ]+\d{{1,2}}[ ]{_CLOCK}(?:\.\d+)?(?:[ ]\d{{4}})?[ ]
      | \d{{9,10}}\.\d{{3,6}}[ ]                                             # short-unix
      | \[?{_CLOCK}(?:[.,]\d+)?\]?[ ]
"""
_JOURNAL = r"(?:[^\s\[]\S*(?<!:)[ ]){0,2}?kernel(?:\[\d+\])?:[ ]?|\S+[ ]kernel(?:[ ]-){3}[ ]\ufeff?"
_DECODED = rf"([a-z0-9]{{3,8}})[ ]*:({'|'.join(LEVELS)})[ ]*:[ ]"

_PREFIX = re.compile(
    rf"""
    \ufeff?[ \t]*
    (?:[^\t\[]{{1,80}}\t[^\t\[]{{1,80}}\t\ufeff?(?=\d{{4}}-\d\d-))?          # gh run view --log
    (?:{_DECODED})?
    (?:<(\d{{1,4}})>(?:1[ ])?)?
    ({_DATE})?
    (?:{_DECODED})?
    ({_DMESG_DATE})?
    ({_JOURNAL})?
    (?:<(\d{{1,4}})>)?
    (\[[ ]*(?:\+\d{{1,10}}\.\d{{3,9}}|{_AGO}
              |(\d{{1,10}}\.\d{{3,9}})[ ]*(?:{_AGO})?)\])?
    ([ ](?:{_JOURNAL}))?
    (?:[ ]<(\d)>)?                                                 # Linux 2.6, crash
    (?:[ ]?\[[ ]*([TC]\d{{1,10}})(?:\([^)]*\))?\])?
    """,
    re.VERBOSE,
)
# A program's line in a syslog or a journal: host, name and process.
_PROGRAM = re.compile(r"\S+ [\w.@/()-]+\[\d+\]:(?:\s|$)")
# Some other program's line that quotes the kernel's.
_QUOTED = re.compile(r"(?!.{0,240}not syncing: kernel:).{1,240}?[\s|:\]](?=kernel: )")

# Level and facility, sequence number, microseconds, flags; then fields a later kernel may add.
# Documentation/ABI/testing/dev-kmsg.
_KMSG = re.compile(
    r"(\d{1,5}),(\d{1,20}),(\d{1,20}),([^;,]{0,8})((?:,[^;,]{0,64}){0,8});(.*)", re.DOTALL
)
_KMSG_ESCAPES = re.compile(r"(?:\\x[0-9a-fA-F]{2})+")
_NEXT_RECORD = re.compile(rf"(?<=\S)\s*(?=(?:<\d{{1,3}}>)?{_STAMP}(?:\s|$|{_CALLER}))")
# Most lines of a console, and the quickest way to see that a line holds one record only.
_COMMON = re.compile(r"\[ *(\d{1,10}\.\d{6})\](?:\[ *([TC]\d{1,10})\])? (?!\[|<\d)")
PLAIN = re.compile(
    r"^((?:\[ *(\d{1,10}\.\d{6})\](?:\[ *([TC]\d{1,10})\])?"
    # The kernel's lines in a syslog or a journal, which may keep the kernel's own stamp.
    r"|(?:(?:[A-Z][a-z]{2} [ \d]\d|\d{4}-\d\d-\d\d)[ T]\d\d:\d\d:\d\d(?:\.\d+)?"
    r"(?:Z|[+-]\d\d:?\d\d)?|\[ *(\d{1,10}\.\d{6})\])"
    r" [!-9;-Z\\-~]+ kernel:(?: \[ *(\d{1,10}\.\d{6})\]"
    r"|(?!  (?:\[|<\d|[^\r\n]*kernel)))"  # where a further prefix may follow
    r") (?!\[|<\d))([^\r\n]{0,4000})\r*$|^.*$",
    re.MULTILINE,
)
"""Every line of a text: groups of the most common forms' prefix, seconds, caller, seconds before
and after a host's name, and message; all empty for a line of another form."""


def may_have_stamps(text: str) -> bool:
    """Whether some line of a text may be of a form that `PLAIN` knows; quick."""
    return text.startswith("[") or "\n[" in text or " kernel: " in text


_STAMP_BEGINS = re.compile(r"\[[ <+]*\d{1,10}\.\d{3}")
# What every prefix begins with, or has a clock, a tab or the kernel's name in it.
_PREFIXED = re.compile(r"[\ufeff \t]*(?:[\[<\d]|[a-z0-9]{3,8} *:[a-z])")
_CLOCKED = re.compile(_CLOCK)


class LogLine(NamedTuple):
    """A log line without what the carriers put before it: a tuple, for tuples are made quickest.

    Attributes:
        text: the message, without prefixes, colour codes and carriage returns.
        seconds: time since boot, when the line carries it.
        caller: `T123` for a thread, `C0` for a processor, when CONFIG_PRINTK_CALLER prints it.
        level: 0 (emergency) to 7 (debug), when the line carries it.
        kernel: False when the line says that user space wrote it: a syslog facility above 0, or
            a program's name and process.
        stamped: a kernel timestamp, level or journal tag stood before the message.
    """

    text: str
    seconds: float | None = None
    caller: str | None = None
    level: int | None = None
    kernel: bool = True
    stamped: bool = False


def clean(raw: str) -> str:
    """The line as a person would see it: no line end, no colour codes, no carriage returns."""
    text = raw.rstrip("\r\n").lstrip("\r")
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    return text.replace("\x00", "") if "\x00" in text else text


def split_records(raw: str) -> list[str]:
    """The records that share one line of a raw console, cleaned; usually just one.

    Two processors, or user space and the kernel, can write into one line of a serial console;
    a timestamp in mid-line starts a new record, and so does a carriage return.
    """
    text = clean(raw)
    if "\r" not in text and not _is_shared(text):
        return [text]
    pieces = [piece for line in text.split("\r") for piece in _cut(line) if piece]
    return pieces or [""]


def _is_shared(text: str) -> bool:
    """Whether a stamp stands behind the line's own, as far as can be told quickly."""
    if not _STAMP_BEGINS.search(text, 1):
        return False
    own = _COMMON.match(text) or _PREFIX.match(text)
    return _STAMP_BEGINS.search(text, max(own.end(), 1) if own else 1) is not None


def _cut(text: str) -> list[str]:
    prefix = _PREFIX.match(text)
    at = (prefix.end() if prefix else 0) + 1
    pieces, start = [], 0
    while found := _NEXT_RECORD.search(text, at):
        pieces.append(text[start : found.start()])
        start = found.end()
        at = start + 1
        # Skip the new record's own stamp and caller, which would look like another record.
        own = _PREFIX.match(text, start)
        at = max(at, own.end() + 1 if own else at)
    pieces.append(text[start:])
    return pieces


def is_bare(raw: str) -> bool:
    """Whether a line is all message, with nothing to be cleaned or cut; quick."""
    return _is_single(raw) and not _may_have_prefix(raw)


def _is_single(raw: str) -> bool:
    """Whether there is nothing to be cleaned or cut."""
    return raw.isprintable() and not ("[" in raw and _STAMP_BEGINS.search(raw, 1))


def read_records(raw: str) -> tuple[tuple[str, LogLine], ...]:
    """The records of one line, and what each says; of a long one the beginning.

    Lines without stamps are few different ones, and taken apart once.
    """
    return _known_records(raw) if len(raw) <= LONGEST_RECORD else _records(raw)


def _records(raw: str) -> tuple[tuple[str, LogLine], ...]:
    if _is_single(raw):
        record = raw[:LONGEST_RECORD]
        return ((record, parse_record(record)),)
    records = [record[:LONGEST_RECORD] for record in split_records(raw)]
    return tuple((record, parse_record(record)) for record in records)


_known_records = lru_cache(maxsize=8192)(_records)


def is_ordinary(text: str) -> bool:
    """Whether a message holds nothing to be cleaned or cut, and no other program's prefix."""
    if not text.isprintable() or "kernel: " in text:
        return False
    return not ("[" in text and _STAMP_BEGINS.search(text))


IS_ORDINARY = Remembered(is_ordinary, 8192)
"""Whether a message of a `PLAIN` line is all message: by its text."""


def parse_line(text: str) -> LogLine:
    """Take one record apart. Never raises: what is not recognised is all message."""
    return parse_record(clean(text))


def parse_record(text: str) -> LogLine:
    """`parse_line` for a record that `split_records` has cleaned."""
    common = _COMMON.match(text)
    if common and "kernel: " not in text:
        return LogLine(text[common.end() :], float(common[1]), common[2], stamped=True)
    if text[:1].isdigit():
        record = _KMSG.match(text)
        if record:
            return _from_kmsg(record)
    if not _may_have_prefix(text):
        return LogLine(text)
    found = _PREFIX.match(text)
    line = _from_prefix(text, found) if found and found.end() else LogLine(text)
    return line if line.stamped or "kernel: " not in text else _quoted(text, line)


def _may_have_prefix(text: str) -> bool:
    """Whether it is worth the longer look; most lines of a log without stamps are not."""
    return (
        "kernel" in text
        or "\t" in text
        or _PREFIXED.match(text) is not None
        or _CLOCKED.search(text) is not None
    )


def _quoted(text: str, otherwise: LogLine) -> LogLine:
    """The kernel's line inside another program's; stamped only where the kernel's stamp is too."""
    before = _QUOTED.match(text)
    if not before:
        return otherwise
    inner = text[before.end() :]
    line = _from_prefix(inner, _PREFIX.match(inner))
    return line._replace(stamped=line.seconds is not None, kernel=otherwise.kernel)


def _from_prefix(text: str, found: re.Match[str] | None) -> LogLine:
    if found is None:
        return LogLine(text)
    (
        facility, name, level, date, facility2, name2, dmesg, tag, level2,
        stamp, seconds, tag2, level3, caller,
    ) = found.groups()  # fmt: skip
    name, level = name or name2, level2 or level or level3
    stamped = bool(stamp or level or name or caller or tag or tag2 or dmesg)
    if not stamped and not date:
        return LogLine(text)  # only indentation, which belongs to the message (stack frames)
    rest = text[found.end() :]
    if (stamp or caller) and not tag2 and rest[:1] == " ":
        rest = rest[1:]  # the blank after a bracketed stamp; further ones are the message's
    number = int(level) if level else None
    own = (number is None or number >> 3 == 0) and (facility or facility2) in (None, "kern")
    return LogLine(
        rest,
        float(seconds) if seconds else None,
        caller,
        number & 7 if number is not None else (LEVELS.index(name) if name else None),
        kernel=own and not (date and not tag and _PROGRAM.match(rest)),
        stamped=stamped,
    )


def _from_kmsg(record: re.Match[str]) -> LogLine:
    number, microseconds = int(record[1]), int(record[3])
    return LogLine(
        text=_KMSG_ESCAPES.sub(_unescape, record[6]),
        seconds=microseconds / 1e6,
        caller=_kmsg_caller(record[5]),
        level=number & 7,
        kernel=number >> 3 == 0,
        stamped=True,
    )


def _unescape(escapes: re.Match[str]) -> str:
    return bytes.fromhex(escapes[0].replace("\\x", "")).decode(errors="replace")


def _kmsg_caller(fields: str) -> str | None:
    for entry in fields.split(","):
        if entry.startswith("caller="):
            return entry.removeprefix("caller=") or None
    return None
