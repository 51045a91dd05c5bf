# SPDX-License-Identifier: Apache-2.0
"""TOML and JSON onto dataclasses: what a file may say is what its dataclass can hold.

The types of the fields are checked by msgspec, strictly: a text is no number, `true` is no 1. What
types cannot say, `__post_init__` does, by a ValueError. Each complaint is one line and names the
place: host 'anna': slots: expected `int`, got `str`. Entries of lists count from 1.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, TypeVar

from hotremove.errors import UsageProblem

T = TypeVar("T")

# TOML has these itself: a text that looks like a date is none.
_OWN_TYPES = (date, datetime, time)
# How msgspec ends a complaint: "- at `$.host[0].slots`", "- at `key` in `$.environment`".
_PLACED = re.compile(r"(?s)(.*) - at (?:`key` in )?`\$(.*)`")
_MISSING = re.compile(r"Object missing required field (`.*`)")
_EXPECTED = re.compile(r"^Expected\b")
_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


def convert(value: object, kind: type[T]) -> T:
    """The parsed value as a `kind`; keys that it does not know are passed over.

    Raises:
        ValueError: it is of another shape; the text is one line with the place.
    """
    import msgspec  # here, because a pytest run that reads no such file should not pay for it

    try:
        return msgspec.convert(value, kind, builtin_types=_OWN_TYPES)
    except msgspec.ValidationError as error:
        raise ValueError(_complaint(value, str(error))) from None


def convert_closed(value: object, kind: type[T]) -> T:
    """The parsed value as a `kind` of dataclass, which knows each key in it.

    Raises:
        ValueError: it is of another shape, or a key is unknown.
    """
    made = convert(value, kind)
    _refuse_unknown(value, value, asdict(made))  # type: ignore[call-overload]
    return made


def from_json(text: str | bytes, kind: type[T]) -> T:
    """A `kind` from JSON, in which more may stand than it knows.

    Read by json, because msgspec refuses halves of surrogate pairs, and these stand for bytes of
    file names and logs that are not UTF-8.

    Raises:
        ValueError: it is not JSON, or of another shape.
    """
    try:
        return convert(json.loads(text), kind)
    except RecursionError:
        raise ValueError("lists or tables are nested too deeply") from None


def read_json(path: Path, kind: type[T]) -> T:
    """A `kind` from a file of JSON.

    Raises:
        OSError: it cannot be read.
        ValueError: see `from_json`; it names the file too.
    """
    try:
        return from_json(path.read_bytes(), kind)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def from_toml(source: object, text: str, kind: type[T]) -> T:
    """A `kind` from TOML in which no other key stands; `source` is its name, for complaints.

    Raises:
        UsageProblem: it is not TOML, or of another shape; names the source and the place.
    """
    table = parse_toml(source, text)
    try:
        return convert_closed(table, kind)
    except ValueError as error:
        raise UsageProblem(f"{source}: {error}") from None


def read_toml(path: Path, kind: type[T]) -> T:
    """A `kind` from a file of TOML in which no other key stands.

    Raises:
        UsageProblem: it cannot be read, is not TOML, or of another shape.
    """
    return from_toml(path, read_text(path), kind)


def parse_toml(source: object, text: str) -> dict[str, Any]:
    """The table that TOML makes.

    Raises:
        UsageProblem: it is not TOML.
    """
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageProblem(f"{source} is not TOML: {' '.join(str(error).split())}") from None


def read_text(path: Path) -> str:
    """The text of a file that people write.

    Raises:
        UsageProblem: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageProblem(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageProblem(f"{path} is not UTF-8: {error}") from error


def _complaint(value: object, text: str) -> str:
    """The complaint on one line, behind the place in words."""
    found = _PLACED.fullmatch(text)
    what, path = found.groups() if found else (text, "")
    what = _MISSING.sub(r"\1 is missing", " ".join(what.split()))
    what = _EXPECTED.sub("expected", what)
    steps = [int(number) if number else name for number, name in _STEP.findall(path)]
    return _place(value, steps) + what


def _place(value: Any, steps: Sequence[str | int]) -> str:
    """`host 'anna': slots: `; an entry of a list without a name is told by its number, from 1."""
    words: list[str] = []
    for step in steps:
        value = value[step]
        if isinstance(step, str):
            words.append(step)
            continue
        name = value.get("name") if isinstance(value, dict) else None
        told = repr(name) if isinstance(name, str) and name else str(step + 1)
        words[-1:] = [" ".join([*words[-1:], told])]
    return "".join(f"{word}: " for word in words)


def _refuse_unknown(
    root: object, given: object, known: object, steps: tuple[str | int, ...] = ()
) -> None:
    """Compare the keys of what was given with those of what was made of it."""
    if isinstance(given, dict) and isinstance(known, dict):
        for key, value in given.items():
            if key not in known:
                told = f"unknown key `{key}`; known are {', '.join(sorted(known))}"
                raise ValueError(_place(root, steps) + told)
            _refuse_unknown(root, value, known[key], (*steps, key))
    elif isinstance(given, list) and isinstance(known, tuple):
        for place, pair in enumerate(zip(given, known, strict=True)):
            _refuse_unknown(root, *pair, (*steps, place))
